"""`rpcduel serve`: one stack's server in the foreground, for other clients or another machine."""

from __future__ import annotations

import ipaddress
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import click

from stacks.base import LOOPBACK
from stacks.service import DEFAULT


@click.command()
@click.argument("stack", metavar="STACK")
@click.option("--host", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port; 0 takes a free one."
)
@click.option(
    "--service", default=DEFAULT, show_default=True, metavar="M:C", help="Class whose methods are served."
)
@click.option(
    "--work", default="", metavar="KIND:TIME", help="Simulated work, for example spin:9us or wait:2ms."
)
@click.option("--json", "as_json", is_flag=True, help="Print the address as one JSON line.")
def command(stack: str, host: str, port: int, service: str, work: str, as_json: bool) -> None:
    """Serve STACK until Ctrl-C or SIGTERM, which are the usual end: the exit code is then 0."""
    import msgspec

    import stacks
    from stacks import service as services
    from stacks import work as works
    from stacks.base import Address, Options

    found = stacks.find(stack)
    if not found.wire:
        raise click.UsageError(f"{stack!r} has no wire: its calls stay in one process and cannot be served")
    if not _is_loopback(host):
        click.echo(
            f"rpcduel: {host} can be reached from other machines, and there is no TLS and no login", err=True
        )
    offered = works.add(services.load(service), work)
    with _until_stopped(), found.serve(offered, Address(host, port), Options()) as served:
        line = f"{stack} serves {offered.name} on {served.address}; Ctrl-C ends it"
        _wait(msgspec.json.encode(served).decode() if as_json else line)


def _wait(line: str) -> None:
    """Print `line`, and sleep until a signal wants the end, which may be as soon as the line is read."""
    with suppress(KeyboardInterrupt):
        click.echo(line)
        sys.stdout.flush()
        while True:
            signal.pause()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _until_stopped() -> Iterator[None]:
    """End the block quietly on SIGINT or SIGTERM, even where a shell has made us ignore them."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in signals]
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
