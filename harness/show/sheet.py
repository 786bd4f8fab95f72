"""A comparison as columns of text, before anything is known of the paper it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from harness.decide.comparison import ArmFigures, Comparison, Estimate, Ratio
from harness.show import units, words


@dataclass(frozen=True)
class Column:
    """Cells below each other, one an arm; `unit` is empty where the cells name theirs or have none."""

    title: str
    unit: str
    cells: tuple[str, ...]

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title} {self.unit}".rstrip()


@dataclass(frozen=True)
class Remark:
    """A finding in words; `quote` holds lines that are shown below it as they are."""

    validity: str
    mark: str
    sentence: str
    quote: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """What every way of showing a comparison shows; `columns` holds only those that have a figure.

    Columns by key: p50, p99, first, gap, rate, bound, cpu, client, hop, server, split, floor, links
    (connections), bytes (of request and reply), size (of the one message that a part is about), difference,
    ratio, range (of what arms are ranked by), and other-ratio and other-range; of an open loop also service,
    lag, due and dropped.
    """

    title: str
    arms: tuple[ArmFigures, ...]
    names: tuple[str, ...]
    baseline: str
    columns: dict[str, Column]
    verdicts: tuple[str, ...]
    """For each arm ``more``, ``less``, or nothing where no difference is shown."""
    remarks: tuple[Remark, ...]
    notes: tuple[str, ...]
    sentence: str
    place: str


def fill(comparison: Comparison) -> Sheet:
    """Write all figures of `comparison`; the floor comes last."""
    arms = tuple(map(per_message, sorted(comparison.arms, key=lambda arm: arm.floor)))
    if comparison.messages > 1:  # a p99 of calls says nothing about messages
        arms = tuple(replace(arm, p99=None) for arm in arms)
    ruler = _Ruler.of(arms)
    unit = words.unit(comparison)
    made = {**_absolutes(comparison, arms, ruler, unit), **_ratios(comparison, arms, ruler, unit)}
    columns = {key: _filled(column, comparison, arms) for key, column in made.items()}
    return Sheet(
        title=words.title(comparison),
        arms=arms,
        names=tuple(words.clean(arm.name) for arm in arms),
        baseline=words.clean(comparison.baseline),
        columns={key: column for key, column in columns.items() if _says_something(column)},
        verdicts=tuple(_verdict(arm.ratios.get(comparison.headline)) for arm in arms),
        remarks=tuple(
            Remark(found.validity, words.MARKS.get(found.validity, "·"), *words.finding(found))
            for found in (*comparison.findings, *words.absent(comparison))
        ),
        notes=tuple(words.notes(comparison)),
        sentence=" ".join(words.clean(comparison.sentence).split()),
        place=words.place(comparison),
    )


def per_message(arm: ArmFigures) -> ArmFigures:
    """Give the absolute figures of `arm` by message instead of by call; ratios are that already."""
    count = arm.messages
    if count == 1:
        return arm
    return replace(
        arm,
        p50=_over(arm.p50, count),
        calls_per_second=None if arm.calls_per_second is None else arm.calls_per_second * count,
        client_cpu=None if arm.client_cpu is None else arm.client_cpu / count,
        hop_cpu=None if arm.hop_cpu is None else arm.hop_cpu / count,
        server_cpu=None if arm.server_cpu is None else arm.server_cpu / count,
    )


def _over(estimate: Estimate | None, count: int) -> Estimate | None:
    if estimate is None:
        return None
    low, high = (None if bound is None else bound / count for bound in (estimate.low, estimate.high))
    return Estimate(estimate.value / count, low, high, estimate.basis)


def _times(arm: ArmFigures) -> tuple[float | None, ...]:
    return _value(arm.p50), _value(arm.p99), _value(arm.first), _cpu(arm)


def _value(estimate: Estimate | None) -> float | None:
    return estimate.value if estimate else None


def _cpu(arm: ArmFigures) -> float | None:
    if arm.client_cpu is None or arm.server_cpu is None:
        return None
    return arm.client_cpu + (arm.hop_cpu or 0.0) + arm.server_cpu


def in_ascii(sheet: Sheet) -> Sheet:
    """Give the same sheet in characters that every terminal has."""
    write = words.to_ascii

    def write_all(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(write, texts))

    return Sheet(
        title=write(sheet.title),
        arms=sheet.arms,
        names=write_all(sheet.names),
        baseline=write(sheet.baseline),
        columns={
            key: Column(write(column.title), write(column.unit), write_all(column.cells))
            for key, column in sheet.columns.items()
        },
        verdicts=sheet.verdicts,
        remarks=tuple(
            Remark(note.validity, write(note.mark), write(note.sentence), write_all(note.quote))
            for note in sheet.remarks
        ),
        notes=write_all(sheet.notes),
        sentence=write(sheet.sentence),
        place=write(sheet.place),
    )


@dataclass(frozen=True)
class _Ruler:
    """Writes the times of one table, in one unit and with equal decimals, so that all compare."""

    scale: units.Scale
    digits: int

    @classmethod
    def of(cls, arms: Sequence[ArmFigures]) -> _Ruler:
        times = [time for arm in arms for time in _times(arm)]
        scale = units.scale(times)
        return cls(scale, units.decimals(scale.of(time) for time in times))

    def write(self, time: float | None, *, signed: bool = False) -> str:
        return units.number(self.scale.of(time), self.digits, signed=signed)


def _absolutes(
    comparison: Comparison, arms: Sequence[ArmFigures], ruler: _Ruler, per: str
) -> dict[str, Column]:
    def marked(figure: str, texts: Iterable[str]) -> tuple[str, ...]:
        return _marked(texts, [words.mark(comparison, arm, figure) for arm in arms])

    unit = ruler.scale.name
    client = tuple(ruler.write(arm.client_cpu) for arm in arms)
    server = tuple(ruler.write(arm.server_cpu) for arm in arms)
    passed = any(arm.hops for arm in arms)
    hop = tuple(ruler.write(arm.hop_cpu) if arm.hops else "" for arm in arms)
    return {
        "p50": Column(
            "p50" if per == "call" else f"p50/{per}",
            unit,
            marked("p50", [ruler.write(_value(arm.p50)) for arm in arms]),
        ),
        "first": Column("first", unit, tuple(ruler.write(_value(arm.first)) for arm in arms)),
        "gap": Column("gap", unit, tuple(ruler.write(_value(arm.gap)) for arm in arms)),
        "p99": Column("p99", unit, marked("p99", [ruler.write(_value(arm.p99)) for arm in arms])),
        "service": Column("service", unit, tuple(ruler.write(_value(arm.service)) for arm in arms)),
        "lag": Column("late p99", unit, tuple(ruler.write(_value(arm.lag)) for arm in arms)),
        "due": Column("due/s", "", tuple(_plain([arm.offered for arm in arms], 2))),
        "dropped": Column("dropped", "", tuple(f"{arm.dropped:,}" if arm.dropped else "" for arm in arms)),
        "rate": Column(f"{per}s/s", "", marked("time", _plain([arm.calls_per_second for arm in arms], 2))),
        "bound": Column("bound by", "", tuple(arm.bound_by for arm in arms)),
        "cpu": Column(f"CPU/{per}", unit, marked("cpu", [ruler.write(_cpu(arm)) for arm in arms])),
        "client": Column("client", unit, client),
        "hop": Column("hop", unit, hop),
        "server": Column("server", unit, server),
        "split": Column(
            "client+hop+srv" if passed else "client+srv", "", tuple(map(_split, client, hop, server))
        ),
        "floor": Column("× floor", "", marked("p50", _plain([arm.times_floor for arm in arms], 3))),
        "links": Column("conns", "", tuple("→".join(map(str, arm.connections)) for arm in arms)),
        "size" if comparison.part else "bytes": Column(
            "bytes", "", tuple(_bytes(comparison, arm) for arm in arms)
        ),
    }


def _bytes(comparison: Comparison, arm: ArmFigures) -> str:
    """Write how long a request and a reply are; of a part, the request alone."""
    if arm.payload is None:
        return units.NOTHING
    request, reply = arm.payload
    return f"{request:,}" if comparison.part else f"{request:,}+{reply:,}"


def _plain(values: Sequence[float | None], digits: int) -> list[str]:
    decimals = units.decimals(values, digits)
    return [units.number(value, decimals) for value in values]


def _split(client: str, hop: str, server: str) -> str:
    if client == server == units.NOTHING:
        return ""
    return "+".join(part for part in (client, hop, server) if part)


def _ratios(comparison: Comparison, arms: Sequence[ArmFigures], ruler: _Ruler, per: str) -> dict[str, Column]:
    bases = {ratio.estimate.basis for arm in arms for ratio in arm.ratios.values()}
    basis = next((kind for kind in ("interval", "spread") if kind in bases), "none")
    bounds = words.bounds(basis, comparison.forks)
    columns = {}
    headline = comparison.headline
    titles = {"time": f"time/{per}", "cpu": f"CPU/{per}", "p50": "p50"}
    other = "time" if headline == "cpu" else "cpu"
    for metric, key, title in ((headline, "", titles[headline]), (other, "other-", titles[other])):
        pairs = [_ratio(comparison, arm, metric) for arm in arms]
        marks = [_ratio_marks(comparison, arm, metric, bases) for arm in arms]
        if any(metric in arm.ratios for arm in arms):
            columns[f"{key}ratio"] = Column(title, "ratio", _marked([pair[0] for pair in pairs], marks))
            columns[f"{key}range"] = Column(bounds, "", tuple(pair[1] for pair in pairs))
    times = [arm.ratios[headline].difference if headline in arm.ratios else None for arm in arms]
    texts = ["" if time is None else ruler.write(time, signed=True) for time in times]
    return {**columns, "difference": Column("diff.", ruler.scale.name, tuple(texts))}


def _ratio(comparison: Comparison, arm: ArmFigures, metric: str) -> tuple[str, str]:
    ratio = arm.ratios.get(metric)
    if ratio is None:
        if arm.name == comparison.baseline:
            return "baseline", ""
        return ("" if arm.floor else units.NOTHING), ""
    value, bounds = units.ratio(ratio.estimate, resolved=ratio.resolved)
    return (f"≈ {value}" if ratio.estimate.basis == "interval" and not ratio.resolved else value), bounds


def _ratio_marks(comparison: Comparison, arm: ArmFigures, metric: str, bases: set[str]) -> str:
    ratio = arm.ratios.get(metric)
    if ratio is None:
        return ""
    unlike = words.UNLIKE if ratio.estimate.basis != "interval" and "interval" in bases else ""
    return unlike + (words.LONG if ratio.long_turns else "") + words.mark(comparison, arm, metric)


def _verdict(ratio: Ratio | None) -> str:
    if ratio is None or not ratio.resolved or ratio.estimate.basis != "interval":
        return ""
    return "more" if ratio.estimate.value > 1 else "less"


def _marked(texts: Iterable[str], marks: Sequence[str]) -> tuple[str, ...]:
    """Put marks behind figures, and blanks where others have one, so that digits stay below each other."""
    pairs = [(text, "" if text == units.NOTHING else mark) for text, mark in zip(texts, marks, strict=True)]
    wide = max((len(mark) for _, mark in pairs), default=0)
    return tuple(text + mark.ljust(wide) for text, mark in pairs)


def _filled(column: Column, comparison: Comparison, arms: Sequence[ArmFigures]) -> Column:
    """Let the row of an arm that failed before it had figures say so, and nothing else."""
    lost = [arm.p50 is None and words.failed(comparison, arm) for arm in arms]
    word = "failed" if column.title.startswith("p50") else ""
    cells = (word if gone else cell for gone, cell in zip(lost, column.cells, strict=True))
    return Column(column.title, column.unit, tuple(cells))


def _says_something(column: Column) -> bool:
    return any(cell.strip() not in {"", units.NOTHING} for cell in column.cells)
