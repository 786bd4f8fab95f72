"""How calls are carried."""
