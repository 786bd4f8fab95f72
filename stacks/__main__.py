"""The commands ``python -P -m stacks serve STACK`` and ``… hop NAME --route PREFIX=HOST:PORT``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stacks import service
from stacks.base import LOOPBACK, MAX_MESSAGE, Address, Options, Route
from stacks.errors import StackError
from stacks.hops import routes
from stacks.serving import pass_on, secured, serve

_USAGE_ERROR = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; gives the exit code: 0 when it was stopped, 2 with one line on standard error."""
    given = _parser().parse_args(arguments)
    address = Address(given.host, given.port)
    try:
        if given.command == "hop":
            pass_on(given.hop, _routes(given), address, with_parent=given.with_parent)
        else:
            serve(
                given.stack,
                address,
                offered=given.service,
                worked=given.work,
                options=Options(
                    max_message=given.max_message,
                    tls=secured(given.tls_cert, given.tls_key),
                    max_streams=given.max_streams,
                ),
                timed=given.spans,
                with_parent=given.with_parent,
            )
    except StackError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return _USAGE_ERROR
    return 0


def _routes(given: argparse.Namespace) -> list[Route]:
    found = [routes.parse(text) for text in given.route]
    if given.config is not None:
        found += routes.read(given.config)
    if not found:
        raise StackError("there is nowhere to pass calls on to; give --route or --config")
    return routes.known(found, service.load(given.service)) if given.service else found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -P -m stacks", description="Serve a stack, or a hop.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    until = "until SIGTERM or SIGINT; prints a line of JSON when it accepts connections"
    hop = commands.add_parser("hop", help=f"pass calls on {until}")
    hop.add_argument("hop", metavar="NAME", help="name of the hop, for example python")
    hop.add_argument(
        "--route",
        action="append",
        default=[],
        help="PREFIX=HOST:PORT, or with grpc:// or http:// before HOST for such calls alone; may be repeated",
    )
    hop.add_argument("--config", type=Path, help="TOML file with [[route]]: prefix, upstream, service")
    hop.add_argument("--service", default="", help="module:Class; says which methods are unary")
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
    add("--max-streams", type=int, default=0, help="calls of a connection at once; 0 for the library's own")
    add("--spans", action="store_true", help="time codecs and handlers, and tell on SIGUSR1")
    add("--tls-cert", default="", metavar="FILE", help="certificate in PEM, for TLS")
    add("--tls-key", default="", metavar="FILE", help="its private key in PEM")
    return parser


if __name__ == "__main__":
    sys.exit(main())
