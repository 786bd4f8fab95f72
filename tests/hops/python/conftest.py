"""What tests of the hop in Python share: the hop in this process, and as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from stacks import hops
from stacks.base import Address


@pytest.fixture
def pass_on(opened):
    """Serve routes by the hop in Python; gives its address."""

    def pass_on(*routes):
        return opened.enter_context(hops.find("python").serve(routes, Address())).address

    return pass_on


@pytest.fixture
def run(opened):
    """Start ``python -P -m stacks`` with arguments, and give the process and the line that it prints."""

    def run(*arguments):
        process = opened.enter_context(
            subprocess.Popen(
                [sys.executable, "-P", "-m", "stacks", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
        )
        opened.callback(lambda: process.poll() is None and process.kill())
        opened.callback(process.send_signal, signal.SIGCONT)
        return process, json.loads(process.stdout.readline())

    return run
