"""Claims 3, 5 and 6: what gateways do with connections, with calls of all kinds, and with two protocols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.decide.claims.claim import FAILS, HOLDS, UNCLEAR, Evidence, Judged, either, unmeasured, whole
from harness.decide.claims.played import Played
from scenarios.arm import Arm
from stacks import service
from stacks.base import Kind
from stacks.hops.routes import GRPC, HTTP
from stacks.hops.routing import Answer

LEAST_USERS = 10
"""Fewer connections say little about whether they are brought together."""
_KINDS = (Kind.UNARY, Kind.SERVER, Kind.CLIENT, Kind.BIDI)
_ASKED = {
    ("HTTP/2", "POST", "application/grpc"): GRPC,
    ("HTTP/2", "POST", "application/grpc+proto"): GRPC,
    ("HTTP/1.1", "POST", "application/json"): HTTP,
    ("HTTP/2", "POST", "application/json"): HTTP,
}
"""What is surely gRPC's, or surely REST's."""
_HEEDED = {
    "HTTP version": ("HTTP/1.1", "POST", "application/grpc"),
    "method": ("HTTP/2", "GET", "application/grpc"),
    "content-type": ("HTTP/2", "POST", "application/grpc-web"),
}
"""What is not gRPC's, though only this tells it."""
_HUNG_UP = ("closed connection", "reset by peer", "connection ended", "ended with the code")
"""How an end of the connection or stream is told, by HTTP/1.1 and HTTP/2; what took too long is none."""


def _through(played: Played) -> Iterator[tuple[str, Arm]]:
    """Give arms of gRPC that pass through one gateway, with its name."""
    for arm in played.arms:
        if len(arm.hops) == 1 and arm.hops[0] != "tap" and arm.stack.startswith("grpc-"):
            yield arm.hops[0], arm


def _which(found: Mapping[str, str], verdict: str) -> str:
    names = [name for name, each in found.items() if each == verdict]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def judge_fan_in(trials: Sequence[Played]) -> Judged:
    """Judge whether gateways bring a connection a client together in one."""
    most = _most_users(trials)
    if not most:
        return unmeasured(f"gRPC through a gateway with {LEAST_USERS} users or more, a connection each")
    rows: list[Evidence] = []
    found = {}
    for gateway, seen in most.items():
        labels = [f"{gateway}, {arm.stack}" if len(seen) > 1 else gateway for _, arm in seen]
        own = [_brought_together(label, *one) for label, one in zip(labels, seen, strict=True)]
        found[gateway] = whole(row.verdict for row in own)
        rows += own
    says = {
        HOLDS: "one connection to the service: {}",
        FAILS: "more than one: {}",
        UNCLEAR: "not counted, or not one a client in front: {}",
    }
    told = "; ".join(text.format(_which(found, v)) for v, text in says.items() if v in found.values())
    return Judged(whole(found.values()), tuple(rows), f"{told[0].upper()}{told[1:]}.")


def _most_users(trials: Sequence[Played]) -> dict[str, list[tuple[Played, Arm]]]:
    """Give by gateway all arms with a connection a user, at the most users that it has them with."""
    found: dict[str, list[tuple[Played, Arm]]] = {}
    for played in trials:
        users = played.trial.users
        for gateway, arm in _through(played):
            if arm.channel != "per-user" or users < LEAST_USERS:
                continue
            seen = found.setdefault(gateway, [])
            if seen and users > seen[0][0].trial.users:
                seen.clear()
            if not seen or users == seen[0][0].trial.users:
                seen.append((played, arm))
    return found


def _brought_together(label: str, played: Played, arm: Arm) -> Evidence:
    users, seen = played.trial.users, played.connections(arm)
    if len(seen) != 2:  # noqa: PLR2004 -- in front of the gateway, and behind it
        why = played.fault(arm)
        text = f"{users} users: connections were not counted{f' ({why})' if why else ''}"
        return Evidence(label, text, verdict=UNCLEAR)
    text = f"{users} users: {seen[0]} connections to the gateway, {seen[1]} from there to the service"
    verdict = FAILS if seen[1] > 1 else HOLDS if seen == (users, 1) else UNCLEAR
    return Evidence(label, text, verdict=verdict)


def judge_kinds(trials: Sequence[Played]) -> Judged:
    """Judge whether gateways pass unary calls and all kinds of streams on."""
    offered = service.load(service.DEFAULT)
    seen: dict[str, dict[Kind, list[tuple[Played, Arm]]]] = {}
    for played in trials:
        for gateway, arm in _through(played):
            kind = offered[arm.method or played.trial.method].kind
            seen.setdefault(gateway, {}).setdefault(kind, []).append((played, arm))
    if not any(set(kinds) - {Kind.UNARY} for kinds in seen.values()):
        return unmeasured("calls with streams, of gRPC, through a gateway")
    rows = [_passed(gateway, kinds) for gateway, kinds in seen.items()]
    found = {row.label: row.verdict for row in rows}
    says = {
        HOLDS: "all four kinds of calls passed {}",
        FAILS: "not all passed {}",
        UNCLEAR: "not all kinds were measured, or they failed without a gateway, too: {}",
    }
    told = "; ".join(text.format(_which(found, v)) for v, text in says.items() if v in found.values())
    return Judged(whole(found.values()), tuple(rows), f"{told[0].upper()}{told[1:]}.")


def _passed(gateway: str, kinds: Mapping[Kind, Sequence[tuple[Played, Arm]]]) -> Evidence:
    verdicts, texts, calls, failed = [], [], 0, 0
    for kind in _KINDS:
        for played, arm in kinds.get(kind, ()):
            verdict = _carried(gateway, played, arm)
            verdicts.append(verdict)
            counted = played.calls(arm)
            calls, failed = calls + counted[0], failed + counted[1]
            if verdict != HOLDS:
                texts.append(f"{kind}: {played.fault(arm) or 'no call was made'}")
        if kind not in kinds:
            verdicts.append(UNCLEAR)
            texts.append(f"{kind}: not measured")
    text = f"{calls:,} calls of {len(kinds)} kinds, {failed:,} failed"
    return Evidence(gateway, "; ".join([text, *texts]), verdict=whole(verdicts))


def _carried(gateway: str, played: Played, arm: Arm) -> str:
    """Tell whether calls of an arm passed; it counts against the gateway only if they do without it."""
    fault, run = played.fault(arm), played.run(arm)
    if not fault:
        return HOLDS if played.calls(arm)[0] else UNCLEAR
    never = run is None or (run.failure and run.failure.reason.startswith(f"its hop {gateway} "))
    direct = [each for each in played.arms if each.stack == arm.stack and not each.hops]
    passes = any(not played.fault(each) for each in direct if each.method == arm.method)
    return FAILS if passes and not never else UNCLEAR


def judge_one_port(trials: Sequence[Played]) -> Judged:
    """Judge whether gateways tell gRPC and REST apart on one port."""
    answers: dict[str, list[Sequence[Answer]]] = {}
    for played in trials:
        for arm in played.arms:
            run = played.run(arm)
            if run and run.routing and len(arm.hops) == 1:
                seen = answers.setdefault(arm.hops[0], [])
                if run.routing not in seen:
                    seen.append(run.routing)
    if not answers:
        return unmeasured("a gateway that is asked which calls it takes for gRPC, and which for REST")
    rows = [_told_apart(gateway, each) for gateway, seen in answers.items() for each in seen]
    found = {name: whole(row.verdict for row in rows if row.label == name) for name in answers}
    says = {
        HOLDS: "by version, method and content-type: {}",
        UNCLEAR: "by some of these, or not known: {}",
        FAILS: "calls go where they do not belong: {}",
    }
    told = "; ".join(text.format(_which(found, v)) for v, text in says.items() if v in found.values())
    return Judged(either(found.values()), tuple(rows), f"{told[0].upper()}{told[1:]}.")


def _told_apart(gateway: str, answers: Sequence[Answer]) -> Evidence:
    found = {
        (one.question.protocol, one.question.method, one.question.content_type): one
        for one in answers
        if one.question.routed
    }
    asked = [*_ASKED, *_HEEDED.values()]
    missing = [key for key in asked if key not in found]
    if missing:
        return Evidence(gateway, f"not asked: {' '.join(missing[0])}", verdict=UNCLEAR)
    silent = [key for key in _ASKED if not found[key].status]
    silent += [key for key in _HEEDED.values() if not found[key].status and not _hung_up(found[key])]
    wrong = [key for key, upstream in _ASKED.items() if key not in silent and found[key].upstream != upstream]
    if wrong:
        text = f"goes where it does not belong: {', '.join(map(' '.join, wrong))}"
        return Evidence(gateway, text, verdict=FAILS)
    if silent:  # whoever would have answered is not known
        return Evidence(gateway, f"no answer to {', '.join(map(' '.join, silent))}", verdict=UNCLEAR)
    ignored = [what for what, key in _HEEDED.items() if found[key].upstream == GRPC]
    heeded = [what for what in _HEEDED if what not in ignored]
    text = "both kinds reach their own upstream; "
    text += f"looks at {', '.join(heeded)}" if heeded else "looks at none of version, method and content-type"
    text += f", not at {', '.join(ignored)}" if heeded and ignored else ""
    return Evidence(gateway, text, verdict=UNCLEAR if ignored else HOLDS)


def _hung_up(answer: Answer) -> bool:
    """Tell whether the connection or stream was ended instead of an answer: that is a refusal, too."""
    return any(word in answer.failure for word in _HUNG_UP)
