"""The commands ``python -P -m stacks serve STACK`` and ``… hop NAME --route PREFIX=HOST:PORT``."""

from __future__ import annotations

import argparse
import sys

from stacks import service
from stacks.base import LOOPBACK, MAX_MESSAGE, Address, Route
from stacks.errors import StackError
from stacks.serving import pass_on, serve

_USAGE_ERROR = 2
_ROUTE = "PREFIX=HOST:PORT; grpc://HOST:PORT takes gRPC alone, http:// all else; may be repeated"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; gives the exit code: 0 when it was stopped, 2 with one line on standard error."""
    given = _parser().parse_args(arguments)
    address = Address(given.host, given.port)
    try:
        if given.command == "hop":
            pass_on(given.hop, [_route(text) for text in given.route], address, with_parent=given.with_parent)
        else:
            serve(
                given.stack,
                address,
                offered=given.service,
                worked=given.work,
                max_message=given.max_message,
                with_parent=given.with_parent,
            )
    except StackError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return _USAGE_ERROR
    return 0


def _route(text: str) -> Route:
    """Read ``PREFIX=KIND://HOST:PORT``; raises `AddressError`.

    Without a prefix it is for every path, and without a kind for every request.
    """
    prefix, equals, upstream = text.rpartition("=")
    kind, _, address = upstream.rpartition("://")
    return Route(prefix if equals else "/", Address.parse(address), kind)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -P -m stacks", description="Serve a stack, or a hop.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    until = "until SIGTERM or SIGINT; prints a line of JSON when it accepts connections"
    hop = commands.add_parser("hop", help=f"pass calls on {until}")
    hop.add_argument("hop", metavar="NAME", help="name of the hop, for example python")
    hop.add_argument("--route", action="append", required=True, help=_ROUTE)
    serving = commands.add_parser("serve", help=f"serve {until}")
    for each in (hop, serving):
        each.add_argument("--host", default=LOOPBACK, help="address to listen on (default: %(default)s)")
        each.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (default)")
        each.add_argument("--with-parent", action="store_true", help="also stop when standard input ends")
    add = serving.add_argument
    add("stack", metavar="STACK", help="name of the stack, for example grpc-protobuf")
    add("--service", default=service.DEFAULT, help="module:Class (default: %(default)s)")
    add("--work", default="", help="simulated work, for example spin:9us")
    add("--max-message", type=int, default=MAX_MESSAGE, help="bytes (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
