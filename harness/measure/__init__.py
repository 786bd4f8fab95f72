"""Runs trials in turns and records what happened."""
