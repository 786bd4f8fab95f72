"""`rpcduel list`: what there is to compare, and which questions can be asked."""

from __future__ import annotations

from typing import Any

import click

_PARTS = ("stacks", "scenarios", "hops", "claims")
_Row = dict[str, Any]


@click.command(name="list")
@click.argument("part", required=False, type=click.Choice(_PARTS))
@click.option("--probe", is_flag=True, help="Start each hop, and ask it what it takes for gRPC.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(part: str | None, probe: bool, as_json: bool) -> None:
    """List stacks, scenarios and hops, or only those of one kind; or the claims under test.

    A stack or hop that cannot be loaded is listed with the reason and the remedy.
    """
    if probe and part != "hops":
        raise click.UsageError("--probe is for hops: rpcduel list hops --probe")
    found = {each: _PART[each]() for each in ([part] if part else _PARTS[:-1])}
    if probe:
        for hop in found["hops"]:
            _probe(hop)
    if as_json:
        from harness.show import json

        click.echo(json.write({"format": json.FORMAT, **found}), nl=False)
        return
    click.echo("\n\n".join(_block(each, rows) for each, rows in found.items()))
    if probe:
        click.echo(f"\n{_matrix(found['hops'])}")


def _stacks() -> list[_Row]:
    import stacks

    return [{"name": name, "default": name in stacks.DEFAULTS, **_facts(name)} for name in stacks.names()]


def _facts(name: str) -> _Row:
    import stacks

    try:
        return {"facts": stacks.find(name).facts, "error": None}
    except Exception as error:  # noqa: BLE001 -- a plug-in's import may fail in any way, and the rest is listed
        return {"facts": None, "error": str(error) or type(error).__name__}


def _scenarios() -> list[_Row]:
    from scenarios.catalog import SCENARIOS

    return [{"name": name, "question": scenario.question} for name, scenario in SCENARIOS.items()]


def _hops() -> list[_Row]:
    from stacks import hops

    return [_hop(name) for name in hops.names()]


def _hop(name: str) -> _Row:
    from stacks import hops

    try:
        hop = hops.find(name)
        return {"name": name, "carries": sorted(hop.carries), "facts": dict(hop.facts), "error": None}
    except Exception as error:  # noqa: BLE001 -- what is wrong with one hop does not keep back the others
        return {"name": name, "carries": [], "facts": None, "error": str(error) or type(error).__name__}


def _claims() -> list[_Row]:
    from harness.decide.claims import RULES

    return [
        {"number": number, "text": rule.text, "scenario": rule.scenario}
        for number, rule in enumerate(RULES, 1)
    ]


_PART = {"stacks": _stacks, "scenarios": _scenarios, "hops": _hops, "claims": _claims}


def _probe(row: _Row) -> None:
    """Add the answers of a hop, or the reason why there are none."""
    from stacks import hops

    row["probe"] = None
    if row["error"] is None and "grpc" in row["carries"]:
        try:
            from stacks.hops.probe import probe

            row["probe"] = probe(hops.find(row["name"]))
        except ModuleNotFoundError as error:
            row["error"] = f"asking needs {error.name!r}; try: pip install 'rpcduel[gateways]'"
        except Exception as error:  # noqa: BLE001 -- as above
            row["error"] = str(error) or type(error).__name__


def _matrix(rows: list[_Row]) -> str:
    found = {row["name"]: row["probe"] for row in rows if row["probe"]}
    if not found:
        return "no hop could be asked"
    from harness.show import routing

    return routing.render(found)


def _block(part: str, found: list[_Row]) -> str:
    if part == "scenarios":
        rows = [(each["name"], each["question"]) for each in found]
        return "\n".join(["scenarios", *_aligned(rows)])
    if part == "claims":
        rows = [(str(each["number"]), f"{each['text']} (run {each['scenario']})") for each in found]
        return "\n".join(["claims (run claims judges all, by the rules in docs/claims.md)", *_aligned(rows)])
    if part == "hops":
        rows = [(each["name"], _said(each) or _told(each["facts"])) for each in found]
        return "\n".join(["hops (between client and server: STACK@HOP)", *_aligned(rows)])
    rows = [(f"{each['name']}{' *' if each['default'] else ''}", _line(each)) for each in found]
    return "\n".join(["stacks (* compared unless told otherwise)", *_aligned(rows)])


def _said(row: _Row) -> str:
    from harness.show import words

    return "" if row["error"] is None else f"cannot be used: {words.clean(row['error'])}"


def _told(facts: dict[str, str]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in facts.items())


def _line(stack: _Row) -> str:
    from harness.show import words

    if stack["facts"] is None:
        return _said(stack)
    facts = stack["facts"]
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return words.clean("; ".join(part for part in (facts.concurrency, versions) if part))


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    wide = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{wide}}  {text}" for name, text in rows]
