"""The floor: a bare ping-pong of the same bytes, for reference."""
