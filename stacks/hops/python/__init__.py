"""The hop in Python."""
