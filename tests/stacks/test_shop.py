from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from stacks import shop
from stacks.codecs import json, memorypack, msgpack, protobuf
from stacks.errors import SchemaError

TARGETS = {"small": 100, "medium": 1024, "large": 65_536}
FORMATS = [protobuf.FORMAT, msgpack.FORMAT, json.FORMAT, memorypack.FORMAT]
VARIANTS = [0, 1, 99, 127, 128, 4095, 9999]


@pytest.mark.parametrize(("sample", "target"), TARGETS.items())
def test_samples_have_the_sizes_that_their_names_promise(sample, target):
    order = shop.order(sample)
    assert len(msgpack.FORMAT.codec(shop.Order).encode(order)) == pytest.approx(target, rel=0.15)
    assert len(protobuf.FORMAT.codec(shop.Order).encode(order)) == pytest.approx(target, rel=0.2)


def test_the_sizes_do_not_change_from_version_to_version():
    sizes = {
        form.name: [len(form.codec(shop.Order).encode(shop.order(sample))) for sample in shop.SAMPLES]
        for form in FORMATS
    }
    assert sizes == {
        "protobuf": [95, 1168, 76864],
        "msgpack": [90, 1004, 65410],
        "json": [254, 2940, 191889],
        "memorypack": [149, 1966, 130017],
    }


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
@pytest.mark.parametrize("sample", shop.SAMPLES)
def test_variants_differ_in_content_and_not_in_length(form, sample):
    orders = [shop.order(sample, variant) for variant in VARIANTS]
    data = [form.codec(shop.Order).encode(order) for order in orders]
    assert len(set(data)) == len(VARIANTS)
    assert len({len(one) for one in data}) == 1
    replies = [form.codec(shop.Receipt).encode(shop.Shop().quote(order)) for order in orders]
    assert len(set(replies)) == len(VARIANTS)
    assert len({len(one) for one in replies}) == 1


def test_the_same_arguments_give_equal_orders():
    assert shop.order("medium", 7) == shop.order("medium", 7)
    assert shop.order("medium", 7) != shop.order("medium", 8)


def test_an_unknown_sample_is_refused_with_the_names_there_are():
    with pytest.raises(
        SchemaError, match="'tiny' is no size; write small, medium, large, or a number of bytes"
    ):
        shop.order("tiny")


def test_a_receipt_adds_up_its_order():
    order = shop.order("small")
    order.lines = [shop.Line("nut", 2, 150), shop.Line("gasket", 3, 100), shop.Line("spring", 1, 7)]
    order.discount = 0.5
    assert shop.Shop().quote(order) == shop.Receipt(
        order=order.id,
        customer=order.customer,
        currency=order.currency,
        pieces=6,
        net=304,
        tax=pytest.approx(57.76),
        longest="gasket",
        due=order.placed + timedelta(days=5),
    )
    order.discount, order.express = None, True
    receipt = shop.Shop().quote(order)
    assert (receipt.net, receipt.due) == (607, order.placed + timedelta(days=1))


def test_the_receipt_depends_on_every_line():
    order = shop.order("medium")
    whole = shop.Shop().quote(order)
    for place in range(len(order.lines)):
        part = msgspec.structs.replace(order, lines=order.lines[:place] + order.lines[place + 1 :])
        assert shop.Shop().quote(part).pieces != whole.pieces


def test_a_note_comes_back():
    assert shop.Shop().echo(shop.Note(1, b"x")) == shop.Note(1, b"x")


@pytest.mark.parametrize(
    ("size", "bytes_"), [("100B", 100), ("1KiB", 1024), ("10KiB", 10240), ("1MiB", 2**20)]
)
def test_an_order_may_be_of_any_size(size, bytes_):
    encoded = msgpack.FORMAT.codec(shop.Order).encode(shop.order(size))
    assert len(encoded) == pytest.approx(bytes_, rel=0.03, abs=15)


def test_streams_say_what_their_handlers_add_up():
    offered, order = shop.Shop(), shop.order("small")
    receipt = offered.quote(order)
    assert list(offered.quotes(shop.Haul(3, order))) == [receipt] * 3
    assert list(offered.haggle([order, order])) == [receipt] * 2
    total = offered.basket([order, order])
    assert (total.pieces, total.net, total.order) == (2 * receipt.pieces, 2 * receipt.net, receipt.order)
    assert offered.basket([]).pieces == 0
    note = shop.Note(1, b"abc")
    assert offered.upload([note] * 4).id == 4
    assert list(offered.download(shop.Load(2, note))) == list(offered.relay([note, note])) == [note, note]
