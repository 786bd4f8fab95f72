"""The command ``python -P -m stacks serve STACK``."""

from __future__ import annotations

import argparse
import sys

from stacks import service
from stacks.base import LOOPBACK, MAX_MESSAGE, Address
from stacks.errors import StackError
from stacks.serving import serve

_USAGE_ERROR = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; gives the exit code: 0 when it was stopped, 2 with one line on standard error."""
    given = _parser().parse_args(arguments)
    try:
        serve(
            given.stack,
            Address(given.host, given.port),
            offered=given.service,
            worked=given.work,
            max_message=given.max_message,
            with_parent=given.with_parent,
        )
    except StackError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return _USAGE_ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -P -m stacks", description="Serve one RPC stack.")
    serve_parser = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "serve", help="serve until SIGTERM or SIGINT; prints a line of JSON when it accepts connections"
    )
    add = serve_parser.add_argument
    add("stack", metavar="STACK", help="name of the stack, for example grpc-protobuf")
    add("--service", default=service.DEFAULT, help="module:Class (default: %(default)s)")
    add("--host", default=LOOPBACK, help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default)")
    add("--work", default="", help="simulated work, for example spin:9us")
    add("--max-message", type=int, default=MAX_MESSAGE, help="bytes (default: %(default)s)")
    add("--with-parent", action="store_true", help="also stop when standard input ends")
    return parser


if __name__ == "__main__":
    sys.exit(main())
