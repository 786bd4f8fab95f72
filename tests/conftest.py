"""What holds for all tests."""

from hypothesis import settings

# How long an example takes depends on the neighbours of this machine.
settings.register_profile("rpcduel", deadline=None)
settings.load_profile("rpcduel")
