"""`rpcduel init`: writes a suite to start from."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import output

_STANDARD = Path("rpcduel.toml")


@click.command()
@click.argument("file", required=False, default=_STANDARD, type=click.Path(path_type=Path), metavar="[FILE]")
@click.option("--stack", "names", default="", metavar="NAMES", help="Stacks with commas between.")
@click.option("--service", default="", metavar="M:C", help="A service of your own, as module:Class.")
@click.option("--message", default="", metavar="M:S", help="A message of your own, to be echoed.")
@click.option("--force", is_flag=True, help="Replace FILE where it is there already.")
def command(file: Path, names: str, service: str, message: str, *, force: bool) -> None:
    """Write a suite to FILE (rpcduel.toml) that can be run at once; - prints it.

    It compares the default stacks, or those that are named; all other keys are there as comments.
    """
    from harness.cli import wishes
    from harness.plan import starter

    printed = file == Path("-")
    if not printed and file.suffix != ".toml":
        raise click.UsageError(f"{file}: `rpcduel run` takes a suite by its ending; call it {file}.toml")
    if not printed and file.exists() and not force:
        raise click.UsageError(f"{file} is there already; name another file, or replace it with --force")
    wishes.served(service, message)
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    _check(chosen, service or message)
    name = str(_STANDARD if printed else file)
    output.give(starter.write(chosen, service=service, message=message, file=name), None if printed else file)
    if not printed:
        click.echo(f"Next: rpcduel run {file}, or first rpcduel run {file} --quick", err=True)


def _check(names: list[str], service: str) -> None:
    """Raise an error that names what is wrong with stacks or service, so that the suite runs."""
    from harness.plan.trials import expand
    from harness.plan.wish import Wish
    from scenarios.arm import Arm
    from stacks import service as services

    arms = tuple(Arm(name="", stack=name) for name in dict.fromkeys(names))
    expand(Wish(arms=arms, service=service or services.DEFAULT))
