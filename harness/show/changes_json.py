"""Two stored runs held against each other as one JSON object; its keys are described in docs/json.md."""

from __future__ import annotations

import msgspec

from harness.decide.across import Across
from harness.show.changes_words import sentence
from harness.show.json import FORMAT, write


def render(found: Across, stored: tuple[str, str]) -> str:
    """Write ``{"format": 1, "outcome": …}``; `stored` names where base and candidate lie."""
    sides = {
        name: {**msgspec.structs.asdict(side), "stored": place}
        for name, side, place in zip(
            ("base", "candidate"), (found.base, found.candidate), stored, strict=True
        )
    }
    return write(
        {
            "format": FORMAT,
            "outcome": found.ruling,
            "sentence": sentence(found),
            **sides,
            "arms": [_arm(msgspec.structs.asdict(one)) for one in found.arms],
            "not_compared": found.lone,
            "floors": found.floors,
            "hindrances": found.hindrances,
            "doubts": found.doubts,
            "noise": found.known,
            **msgspec.structs.asdict(found.rule),
        }
    )


def _arm(fields: dict[str, object]) -> dict[str, object]:
    """Call the verdict of an arm as it is called everywhere in JSON."""
    return {("outcome" if key == "ruling" else key): value for key, value in fields.items()}
