"""The whole suite: import everything from here into a test module that has a fixture `stack`."""

# ruff: noqa: F403 -- tests and fixtures are found by their names in the module that runs them

from stacks.testing.calls import *
from stacks.testing.fixtures import *
from stacks.testing.lifecycle import *
from stacks.testing.secure import *
from stacks.testing.streams import *
