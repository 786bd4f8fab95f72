"""The commands of `rpcduel`, one a file."""
