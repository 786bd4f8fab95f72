"""Where the time of a call goes, as texts, before anything is known of the paper that they go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.decide.comparison import Anatomy, Comparison, Estimate, Piece
from harness.show import units, words

UNMEASURED = "not measured"
TITLE = "Where the time of a call goes"
_MEGA = 1_000_000
_LABELS = {"rest": "server or neither"}
_SPANS = (
    ("client encode", "client_encode"),
    ("client decode", "client_decode"),
    ("client unattributed", "client"),
    ("server decode", "server_decode"),
    ("server handler", "handler"),
    ("server encode", "server_encode"),
    ("server unattributed", "server"),
)
"""Title of a row → the span's name, or the side of which it says what is left."""
_TRAFFIC = (
    ("payload out, MB", "payload_out"),
    ("overhead out, MB", "overhead_out"),
    ("payload in, MB", "payload_in"),
    ("overhead in, MB", "overhead_in"),
)
_NEITHER = "neither: nobody's process is on a CPU: kernel work charged to none, the wire, and waking up."
_OVERLAP = "overlap: processes work at the same time, so that the parts exceed the time of a call by that."
_REST = "server or neither: the server's processes cannot be read, so the two cannot be told apart."
_SPANNED = (
    "Spans are by the clock, from turns of twins that were instrumented; the bars are from turns without. "
    "unattributed: what of a process' CPU time is in no span; below 0 where spans waited for a CPU."
)


@dataclass(frozen=True)
class Part:
    """A part of a bar; `share` is of the time of a call."""

    key: str
    label: str
    share: float
    text: str
    """Its time and share: ``130.0 µs 41.6 %``."""
    bounds: str
    """Of the share, without brackets; empty where there are none."""


@dataclass(frozen=True)
class Bar:
    """One arm's parts; where processes work at the same time the last one is what they exceed the time by."""

    name: str
    time: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Row:
    """A row of the table, a cell an arm; a heading has none."""

    title: str
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """All that is shown, arms in the order of the table."""

    title: str
    bars: tuple[Bar, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def parts(self) -> dict[str, list[Part | None]]:
        """Give the parts by their labels, an arm each; None where an arm has no such part."""
        labels = dict.fromkeys(part.label for bar in self.bars for part in bar.parts)
        return {
            label: [next((part for part in bar.parts if part.label == label), None) for bar in self.bars]
            for label in labels
        }


def chart(comparison: Comparison) -> Chart | None:
    """Write what is known of where the time goes; None where nothing is. The floor comes last."""
    arms = {arm.name: arm for arm in comparison.arms}
    found = sorted(comparison.anatomy, key=lambda one: arms[one.arm].floor)
    if not found:
        return None
    scale = units.scale(one.time for one in found)
    digits = units.decimals(scale.of(one.time) for one in found)
    marks = {one.arm: words.mark(comparison, arms[one.arm], "time") for one in found}
    parts = [part for one in found for part in _parts(one)]
    basis = next((part.share.basis for part in parts if part.share.basis != "none"), "none")
    bounds = words.bounds(basis, comparison.forks)
    return Chart(
        title=f"{TITLE}{f' (in brackets: {bounds} of the share)' if bounds else ''}",
        bars=tuple(
            Bar(
                name=words.clean(one.arm),
                time=f"{_number(scale.of(one.time), digits)}{marks[one.arm]} {scale.name}",
                parts=tuple(_part(part, scale, digits) for part in _parts(one)),
            )
            for one in found
        ),
        rows=tuple(_rows(found)),
        notes=tuple(_notes(parts)),
    )


def lines(found: Chart) -> list[str]:
    """Write a line an arm, without drawing, for logs and pipes."""
    made = [found.title]
    for index, bar in enumerate(found.bars):
        parts = [f"{part.label} {part.text}{_bracketed(part.bounds)}" for part in bar.parts]
        made.append(f"  {bar.name}: {bar.time} a call: {'; '.join(parts)}")
        head = ""
        for row in found.rows:
            if not row.cells:
                head = row.title
                made.append(f"    {head}:")
            else:
                comma = "" if made[-1].endswith(":") else ";"
                made[-1] += f"{comma} {row.title} {row.cells[index]}"
    return [*made, *(f"  note: {note}" for note in found.notes)]


def _bracketed(text: str) -> str:
    return f" ({text})" if text else ""


def _parts(one: Anatomy) -> tuple[Piece, ...]:
    """Give the parts; with an overlap nothing is left for neither."""
    return (*one.parts[:-1], one.overlap) if one.overlap else one.parts


def _part(piece: Piece, scale: units.Scale, digits: int) -> Part:
    share = piece.share
    return Part(
        key=piece.name,
        label=_LABELS.get(piece.name, piece.name),
        share=share.value,
        text=f"{_number(scale.of(piece.time), digits)} {scale.name} {_percent(share.value)} %",
        bounds=""
        if share.low is None or share.high is None
        else f"{_percent(share.low)} to {_percent(share.high)}",
    )


def _percent(share: float) -> str:
    return units.number(100 * share, 1)


def _number(value: float | None, digits: int) -> str:
    return units.number(value, digits)


def _notes(parts: Sequence[Piece]) -> Iterable[str]:
    names = {part.name for part in parts}
    for name, note in (("neither", _NEITHER), ("rest", _REST), ("overlap", _OVERLAP)):
        if name in names:
            yield note
    yield _SPANNED


def _rows(found: Sequence[Anatomy]) -> Iterable[Row]:
    """Give the table's rows; times of spans are in µs."""
    yield Row("spans, µs a call")
    spans = [[_span(one, key) for one in found] for _, key in _SPANS]
    digits = _digits(spans)
    for (title, _), values in zip(_SPANS, spans, strict=True):
        yield Row(title, tuple(_cell(value, digits) for value in values))
    yield Row("time with spans", tuple(_times(one.instrumented) for one in found))
    yield Row("a million calls")
    for side in ("client", "hop", "server"):
        if any(side in one.cpu_seconds for one in found):
            values = [one.cpu_seconds.get(side) for one in found]
            yield Row(f"{side} CPU, s", tuple(_seconds(side, one, _digits([values])) for one in found))
    traffic = [[_megabytes(one, key) for one in found] for _, key in _TRAFFIC]
    digits = _digits(traffic)
    for (title, _), values in zip(_TRAFFIC, traffic, strict=True):
        yield Row(title, tuple(_cell(value, digits) for value in values))


def _span(one: Anatomy, key: str) -> float | None:
    if key in ("client", "server"):
        left = one.unattributed.get(key)
        return None if left is None else left / 1_000
    span: Estimate | None = one.spans.get(key)
    return None if span is None else span.value / 1_000


def _megabytes(one: Anatomy, key: str) -> float | None:
    if one.traffic is None:
        return None
    count: float = getattr(one.traffic, key)
    return count / _MEGA


def _digits(values: Iterable[Sequence[float | None]]) -> int:
    """Find decimals for all of them: one, or two where the smallest is under 1."""
    return min(2, units.decimals(value for row in values for value in row))


def _cell(value: float | None, digits: int) -> str:
    return UNMEASURED if value is None else _number(value, digits)


def _seconds(side: str, one: Anatomy, digits: int) -> str:
    """Write the CPU of a side; what an arm has not is empty, and what cannot be read is not measured."""
    if side in one.cpu_seconds:
        return _number(one.cpu_seconds[side], digits)
    return UNMEASURED if side == "server" and any(part.name == "rest" for part in one.parts) else ""


def _times(estimate: Estimate | None) -> str:
    return UNMEASURED if estimate is None else f"{_number(estimate.value, 2)}×"


def in_ascii(found: Chart) -> Chart:
    """Give the same chart in characters that every terminal has."""
    write = words.to_ascii
    return Chart(
        title=write(found.title),
        bars=tuple(
            Bar(
                write(bar.name),
                write(bar.time),
                tuple(
                    Part(part.key, part.label, part.share, write(part.text), write(part.bounds))
                    for part in bar.parts
                ),
            )
            for bar in found.bars
        ),
        rows=tuple(Row(write(row.title), tuple(map(write, row.cells))) for row in found.rows),
        notes=tuple(map(write, found.notes)),
    )
