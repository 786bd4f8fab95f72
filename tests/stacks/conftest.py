"""Every stack in turn, for the suite that all of them must keep."""

from __future__ import annotations

import pytest

import stacks
from stacks.base import Stack
from stacks.testing.fixtures import *  # noqa: F403 -- found by their names


@pytest.fixture(params=stacks.names())
def stack(request) -> Stack:
    """Each stack, plug-ins too."""
    return stacks.find(request.param)
