"""Measures, decides and shows."""
