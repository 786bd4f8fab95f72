"""What plain Locust is told wrongly is said in one line, before any user is started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOCUSTFILE = Path(__file__).parents[2] / "scenarios" / "locustfile.py"


@pytest.mark.parametrize(
    ("arguments", "stack", "said"),
    [
        ([], "tcp-msgpack", "listens: '' is no address; write host:port"),
        (["--host", "127.0.0.1"], "tcp-msgpack", "listens: '127.0.0.1' is no address; write host:port"),
        (["--host", "127.0.0.1:50051"], "tcp-nonsense", "RPCDUEL_STACK: there is no stack 'tcp-nonsense'"),
    ],
)
def test_what_is_wrong_is_said_once(tmp_path, arguments, stack, said):
    locust = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--users", "2"]
    environment = {name: value for name, value in os.environ.items() if name != "LOCUST_HOST"}
    found = subprocess.run(
        [*locust, "--run-time", "1s", *arguments],
        env=environment | {"RPCDUEL_STACK": stack},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 1
    assert "Traceback" not in found.stderr
    assert sum(said in line for line in found.stderr.splitlines()) == 1, found.stderr
