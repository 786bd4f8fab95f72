"""`rpcduel schema`: a service in the schema languages of others, so that their servers can take part."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.output import give

_FORMATS = ("proto", "thrift", "graphql", "csharp", "jsonschema")


@click.command()
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Else by the ending of FILE, else proto.")
@click.option("--service", metavar="M:C", help="Class whose methods are the service; else the default one.")
@click.option("--message", metavar="M:S", help="Struct instead of a service: it is sent, and comes back.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write there: .proto, .thrift, .graphql, .cs or .json.",
)
def command(form: str | None, service: str | None, message: str | None, output: Path | None) -> None:
    """Print a service as .proto, .thrift, GraphQL SDL, C# or JSON Schema.

    What a format cannot carry is an error that names message and field.
    """
    if service and message:
        raise click.UsageError("--service and --message exclude each other; give one")
    form = form or _by_ending(output)
    from stacks import idl
    from stacks import service as services

    offered = services.load(message or service or services.DEFAULT)
    give(idl.render(offered, form), output)


def _by_ending(output: Path | None) -> str:
    if output is None:
        return "proto"
    from stacks.idl import ENDINGS

    if output.suffix not in ENDINGS:
        raise click.UsageError(f"{output}: the ending says no format; add --format {', '.join(_FORMATS)}")
    return ENDINGS[output.suffix]
