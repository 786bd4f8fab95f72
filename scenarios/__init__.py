"""What is asked: arms, loads, channel modes and users."""
