"""The tap, which counts what passes, and what it knows of each protocol."""
