"""`rpcduel list`: what there is to compare, and which questions can be asked."""

from __future__ import annotations

import click

_PARTS = ("stacks", "scenarios", "hops")


@click.command(name="list")
@click.argument("part", required=False, type=click.Choice(_PARTS))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(part: str | None, as_json: bool) -> None:
    """List stacks, scenarios and hops, or only those of one kind.

    A stack that cannot be loaded is listed with the reason and the remedy.
    """
    parts = [part] if part else list(_PARTS)
    if as_json:
        from harness.show import json

        found = {"stacks": _stacks, "scenarios": _scenarios, "hops": _hops}
        click.echo(json.write({"format": json.FORMAT, **{each: found[each]() for each in parts}}), nl=False)
        return
    click.echo("\n\n".join(_block(each) for each in parts))


def _stacks() -> list[dict[str, object]]:
    import stacks

    return [{"name": name, "default": name in stacks.DEFAULTS, **_facts(name)} for name in stacks.names()]


def _facts(name: str) -> dict[str, object]:
    import stacks

    try:
        return {"facts": stacks.find(name).facts, "error": None}
    except Exception as error:  # noqa: BLE001 -- a plug-in's import may fail in any way, and the rest is listed
        return {"facts": None, "error": str(error) or type(error).__name__}


def _scenarios() -> list[dict[str, object]]:
    from scenarios.catalog import SCENARIOS

    return [{"name": name, "question": scenario.question} for name, scenario in SCENARIOS.items()]


def _hops() -> list[dict[str, object]]:
    from stacks import hops

    return [{"name": name, **_hop_facts(name)} for name in hops.names()]


def _hop_facts(name: str) -> dict[str, object]:
    from stacks import hops
    from stacks.errors import StackError

    try:
        return {"facts": dict(hops.find(name).facts), "error": None}
    except StackError as error:
        return {"facts": None, "error": str(error)}


def _block(part: str) -> str:
    if part == "hops":
        rows = [(str(each["name"]), str(each["error"] or each["facts"])) for each in _hops()]
        return "\n".join(["hops", *_aligned(rows)])
    if part == "scenarios":
        rows = [(str(each["name"]), str(each["question"])) for each in _scenarios()]
        return "\n".join(["scenarios", *_aligned(rows)])
    found = _stacks()
    rows = [(f"{each['name']}{' *' if each['default'] else ''}", _line(each)) for each in found]
    return "\n".join(["stacks (* compared unless told otherwise)", *_aligned(rows)])


def _line(stack: dict[str, object]) -> str:
    from harness.show import words
    from stacks.base import Facts

    facts = stack["facts"]
    if not isinstance(facts, Facts):
        return f"cannot be used: {words.clean(str(stack['error']))}"
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return words.clean("; ".join(part for part in (facts.concurrency, versions) if part))


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    wide = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{wide}}  {text}" for name, text in rows]
