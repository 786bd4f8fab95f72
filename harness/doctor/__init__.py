"""Examines the machine and the method: what can be resolved here, and whether it is true."""
