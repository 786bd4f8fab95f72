"""Renders comparisons for people and programs; pure."""
