"""What holds for all tests."""

import signal

from hypothesis import settings

# How long an example takes depends on the neighbours of this machine.
settings.register_profile("rpcduel", deadline=None)
settings.load_profile("rpcduel")

# A shell without job control lets what it starts in the background ignore Ctrl-C, which tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
