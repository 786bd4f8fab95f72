"""The commands of `rpcduel`, one a file, and what its exit codes mean."""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from harness.version import VERSION

FINE, REGRESSION, USAGE, UNCLEAR, INVALID = range(5)
INTERRUPTED = 130
BROKEN_PIPE = 141
"""Who reads our output went away; what a shell gives for SIGPIPE."""
DEFECT = 70
"""A fault of rpcduel itself; never 1, which means a regression."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
"""How writing to standard output fails."""

COMMANDS = {
    "run": ("harness.cli.run", "Measure stacks against each other and show the comparison."),
    "init": ("harness.cli.init", "Write a suite to start from."),
    "gate": ("harness.cli.gate", "Say whether a candidate costs more than its base; for CI."),
    "compare": ("harness.cli.compare", "Hold two stored results against each other: what has changed?"),
    "report": ("harness.cli.report", "Show a stored result: table, HTML, Markdown, CSV or JSON."),
    "list": ("harness.cli.listing", "List stacks, scenarios and hops."),
    "serve": ("harness.cli.serve", "Serve one stack in the foreground."),
    "schema": ("harness.cli.schema", "Print a service as .proto, .thrift, GraphQL, C# or JSON Schema."),
    "tap": ("harness.cli.tap", "Count connections and bytes of one arm's calls."),
    "doctor": ("harness.cli.doctor", "Check what this machine can tell apart."),
}
"""Name → the module that holds ``command``, and its line in the overview; imported when it is needed."""

KNOWN = {
    ("scenarios.arm", "SpecError"),
    ("harness.results", "ResultError"),
    ("harness.measure.environments", "BuildError"),
    ("harness.measure.processes", "StartError"),
    ("harness.measure.contender", "ArmError"),
    ("stacks.errors", "StackError"),
    ("stacks.errors", "CallError"),
}
"""Exceptions whose text says all that the user needs; by name, since importing them is not quick."""


class Commands(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of the overview."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None if there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = importlib.import_module(module).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; for one that is none the error names the nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            close = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"commands are: {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview without importing a command."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(
    cls=Commands,
    epilog="Exit codes: 0 fine, 1 regression, 2 usage, 3 unclear, 4 invalid measurement, 70 a defect, "
    "130 interrupted.",
)
@click.version_option(VERSION, prog_name="rpcduel", message="%(prog)s %(version)s")
def group() -> None:
    """Compare RPC stacks side by side on this machine, in turns of milliseconds."""


def main(args: Sequence[str] | None = None) -> int:
    """Run a command line, without the program's name, and give its exit code; only a defect shows a trace."""
    if "_RPCDUEL_COMPLETE" in os.environ:
        group.main(prog_name="rpcduel")
    try:
        code = _invoke(sys.argv[1:] if args is None else list(args))
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except Exception as error:  # noqa: BLE001 -- the last place where a fault can get its exit code
        return _fault(error)
    except KeyboardInterrupt:
        return _fault(click.Abort())
    return code


def _invoke(args: list[str]) -> int:
    with group.make_context("rpcduel", args) as context:
        code = group.invoke(context)
    return code if isinstance(code, int) else FINE


def _fault(error: Exception) -> int:
    """Tell what went wrong, and give its exit code."""
    match error:
        case BrokenPipeError():
            silence()
            return BROKEN_PIPE
        case click.ClickException():
            error.show()
            return USAGE
        case click.Abort() | EOFError():
            click.echo("rpcduel: interrupted", err=True)
            return INTERRUPTED
        case OSError(filename=None) if error.errno in _FULL:  # files have names, and errors of their own
            silence()
            click.echo(f"rpcduel: standard output cannot be written: {error.strerror}", err=True)
            return USAGE
    if any((kind.__module__, kind.__name__) in KNOWN for kind in type(error).__mro__):
        click.echo(f"rpcduel: {error}", err=True)
        return USAGE
    traceback.print_exception(error)
    click.echo("rpcduel: this is a defect of rpcduel, not of what was measured", err=True)
    return DEFECT


def silence() -> None:
    """Let what is still buffered go nowhere, so that the interpreter's last flush does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
