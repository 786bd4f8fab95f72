"""`rpcduel tap`: counts what is really on the wire for calls of one arm, outside of any timing."""

from __future__ import annotations

import click

from stacks.service import DEFAULT


@click.command()
@click.argument("spec", metavar="SPEC")
@click.option("--calls", default=100, show_default=True, metavar="N", help="Calls of all users together.")
@click.option("--users", default=1, show_default=True, metavar="U", help="Calls in flight.")
@click.option("--method", default="", metavar="NAME", help="Of the service; else Quote, or its first.")
@click.option(
    "--sample",
    default="small",
    show_default=True,
    metavar="SIZE",
    help="Of small, medium, large, or a size as 10KiB.",
)
@click.option(
    "--service", default=DEFAULT, show_default=True, metavar="M:C", help="Whose methods are called."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(spec: str, calls: int, users: int, method: str, sample: str, service: str, as_json: bool) -> None:
    """Count connections and bytes of calls over SPEC: [name=]stack[@hop…][,key=value…].

    A tap stands between client and server, or before and behind each hop. It passes everything on unchanged.
    """
    from harness.measure import tapping
    from harness.show import taps
    from scenarios.arm import parse

    asked = tapping.Asked(parse(spec), method, sample, users, calls, service)
    found = tapping.play(asked)
    if as_json:
        click.echo(taps.render(found), nl=False)
    else:
        taps.show(found)
