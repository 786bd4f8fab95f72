"""Messages with every kind of field, and strategies that make them; no test."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from uuid import UUID

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import stacks
from stacks.codecs import graphql, thrift
from stacks.schema import Int32

NAMED = [import_module(path).FORMAT for path in stacks._FORMATS.values()]
FORMATS = {form.name: form for form in (*NAMED, thrift.BINARY, thrift.COMPACT, graphql.FORMAT)}
MSGPACKS = [name for name in FORMATS if name.startswith("msgpack")]
JSONS = [name for name in FORMATS if name.startswith("json")]
MOMENT = datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=UTC)


class Heat(enum.IntEnum):
    RAW = 3
    DONE = -7


class Taste(enum.Enum):
    SWEET = "sweet"
    SOUR = "sour"


class Spoon(msgspec.Struct):
    length: int
    clean: bool = True


class Drawer(msgspec.Struct):
    spoons: list[Spoon]
    label: str | None = None


class Empty(msgspec.Struct):
    pass


class Kitchen(msgspec.Struct):
    """Every kind of field that all formats carry."""

    count: int
    weight: float
    lit: bool
    name: str
    blob: bytes
    opened: datetime
    key: UUID
    heat: Heat
    taste: Taste
    drawer: Drawer
    nothing: Empty
    maybe_count: int | None
    maybe_weight: float | None
    maybe_lit: bool | None
    maybe_name: str | None
    maybe_blob: bytes | None
    maybe_opened: datetime | None
    maybe_key: UUID | None
    maybe_taste: Taste | None
    maybe_drawer: Drawer | None
    counts: list[int]
    weights: list[float]
    names: list[str]
    blobs: list[bytes]
    times: list[datetime]
    keys: list[UUID]
    tastes: list[Taste]
    drawers: list[Drawer]
    by_name: dict[str, float]
    by_count: dict[int, str]
    times_by_name: dict[str, datetime]
    keys_by_name: dict[str, UUID]
    heats_by_name: dict[str, Heat]
    drawers_by_count: dict[int, Drawer]
    half: Int32
    maybe_half: Int32 | None
    halves: list[Int32]
    by_half: dict[Int32, Int32]
    inner: Kitchen | None = None
    inners: list[Kitchen] = []


class Cellar(msgspec.Struct):
    """Kinds of fields that protobuf has no place for."""

    grid: list[list[float]]
    gaps: list[int | None]
    racks: list[dict[str, list[Spoon]]]
    maybe_names: list[str] | None
    by_key: dict[UUID, list[datetime]]
    by_taste: dict[Taste, UUID]
    by_heat: dict[Heat, dict[int, Spoon | None]]
    by_half: dict[Int32, list[Int32 | None]]


ints = st.integers(-(2**63), 2**63 - 1)
halves = st.integers(-(2**31), 2**31 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
times = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))])).filter(
    lambda moment: datetime(1, 1, 2, tzinfo=UTC) < moment < datetime(9999, 12, 30, tzinfo=UTC)
)
spoons = st.builds(Spoon, length=ints, clean=st.booleans())
drawers = st.builds(Drawer, spoons=st.lists(spoons, max_size=3), label=st.none() | st.text(max_size=5))


def few(of):
    return st.lists(of, max_size=3)


def some(key, of):
    return st.dictionaries(key, of, max_size=3)


def kitchens(**inner):
    texts, blobs, tastes = st.text(max_size=9), st.binary(max_size=9), st.sampled_from(Taste)
    plain = {
        "count": ints, "weight": floats, "lit": st.booleans(), "name": texts, "blob": blobs, "opened": times,
        "key": st.uuids(), "taste": tastes, "drawer": drawers,
    }  # fmt: skip
    many = {"count": ints, "weight": floats, "name": texts, "blob": blobs, "time": times, "key": st.uuids()}
    return st.builds(
        Kitchen,
        heat=st.sampled_from(Heat),
        nothing=st.just(Empty()),
        **plain,
        **{f"maybe_{name}": st.none() | of for name, of in plain.items()},
        **{f"{name}s": few(of) for name, of in {**many, "taste": tastes, "drawer": drawers}.items()},
        by_name=some(texts, floats),
        by_count=some(ints, texts),
        times_by_name=some(texts, times),
        keys_by_name=some(texts, st.uuids()),
        heats_by_name=some(texts, st.sampled_from(Heat)),
        drawers_by_count=some(ints, drawers),
        half=halves,
        maybe_half=st.none() | halves,
        halves=few(halves),
        by_half=some(halves, halves),
        **inner,
    )


full_kitchens = kitchens(inner=st.none() | kitchens(), inners=few(kitchens()))
cellars = st.builds(
    Cellar,
    grid=few(few(floats)),
    gaps=few(st.none() | ints),
    racks=few(some(st.text(max_size=5), few(spoons))),
    maybe_names=st.none() | few(st.text(max_size=5)),
    by_key=some(st.uuids(), few(times)),
    by_taste=some(st.sampled_from(Taste), st.uuids()),
    by_heat=some(st.sampled_from(Heat), some(ints, st.none() | spoons)),
    by_half=some(halves, few(st.none() | halves)),
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def kitchen(**changes):
    plain = Kitchen(
        count=-5, weight=1.5, lit=True, name="müsli", blob=b"\x00\xff", opened=MOMENT, key=UUID(int=7),
        heat=Heat.DONE, taste=Taste.SOUR, drawer=Drawer([Spoon(3)], "left"), nothing=Empty(), maybe_count=0,
        maybe_weight=0.0, maybe_lit=False, maybe_name="", maybe_blob=b"",
        maybe_opened=datetime(1970, 1, 1, tzinfo=UTC),
        maybe_key=UUID(int=0), maybe_taste=Taste.SWEET, maybe_drawer=Drawer([]), counts=[1, -1],
        weights=[0.5],

        names=["a", ""], blobs=[b"", b"b"], times=[MOMENT],
        keys=[UUID(int=1)], tastes=[Taste.SOUR, Taste.SWEET],
        drawers=[Drawer([Spoon(1), Spoon(2, clean=False)])], by_name={"x": 2.5}, by_count={-1: "y"},
        times_by_name={"t": MOMENT}, keys_by_name={"k": UUID(int=2)}, heats_by_name={"h": Heat.RAW},
        drawers_by_count={1: Drawer([Spoon(9)], "nine")}, half=2**31 - 1, maybe_half=-(2**31),
        halves=[-(2**31), -1, 0, 2**31 - 1], by_half={-(2**31): 2**31 - 1, 2**31 - 1: -(2**31)},
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


class Vector(msgspec.Struct):
    number: int
    text: str
    when: datetime
    key: UUID
    heat: Heat
    taste: Taste
    ratio: float | None
    blob: bytes
    scores: dict[str, int]
    spoons: list[Spoon]


def vector(**changes):
    plain = Vector(
        300, "né", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), UUID(int=1), Heat.DONE, Taste.SOUR, None,
        b"\x01",
        {"a": 200}, [Spoon(5)],
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)
