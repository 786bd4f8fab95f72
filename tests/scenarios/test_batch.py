from array import array
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest

import stacks
from scenarios.batch import Batch, bind
from scenarios.samples import answers, probes, request
from scenarios.turns import LastCalls, Seat
from stacks import service, shop
from stacks.base import Address, Kind, Options
from stacks.errors import Remote

SHOP = service.load(service.DEFAULT)
STREAMS = [method.name for method in SHOP.methods if method.kind is not Kind.UNARY]


@pytest.fixture
def client():
    stack = stacks.find("memory-msgpack")
    with stack.serve(SHOP, Address(), Options()) as served:
        client = stack.connect(served.address, Options())
        yield client
        client.close()


@pytest.mark.parametrize("name", STREAMS)
def test_a_batch_goes_on_to_its_last_reply_and_notes_each(client, name):
    method = SHOP[name]
    batch = request(method, "small", 3, 7)
    wanted = answers(method, batch)
    batch.kept = []
    assert bind(client, method)(batch, 5.0) == wanted[-1]
    assert batch.kept == wanted
    assert len(batch.arrivals) == len(wanted) == (1 if method.kind is Kind.CLIENT else 7)
    assert all(one <= other for one, other in pairwise(batch.arrivals))


def test_a_unary_call_is_bound_as_it_is(client):
    order = shop.order("small")
    assert bind(client, SHOP["Quote"])(order, 5.0) == shop.Shop().quote(order)


def test_a_seat_forgets_the_arrivals_of_the_last_turn(client):
    batch = request(SHOP["Haggle"], "small", 0, 5)
    seat = Seat(bind(client, SHOP["Haggle"]), batch, 5.0)
    for _ in range(2):
        seat.clear()
        seat.play(0, LastCalls(1))
        assert not batch.arrivals
        seat.call(batch, 5.0)
        assert len(batch.arrivals) == 5


class Short:
    package = "rpcduel"

    def haggle(self, orders: Iterable[shop.Order]) -> Iterator[shop.Receipt]:
        for number, order in enumerate(orders):
            if number == 2:
                raise Remote("ABORTED", "enough")
            yield shop.Shop().quote(order)

    def run(self, note: shop.Note) -> Iterator[shop.Note]:
        while True:
            yield note


def test_arrivals_of_a_call_that_failed_stay_until_the_turn_is_over():
    batch, stack, offered = Batch([shop.order("small")] * 5), stacks.find("memory"), service.read(Short)
    with stack.serve(offered, Address(), Options()) as served:
        call = bind(stack.connect(served.address, Options()), offered["Haggle"])
        with pytest.raises(Remote, match="enough"):
            call(batch, 5.0)
    assert len(batch.arrivals) == 2


@pytest.mark.parametrize("name", STREAMS)
def test_users_have_batches_of_their_own_with_equal_lengths(name):
    method = SHOP[name]
    one, other = (request(method, "small", user, 4) for user in (0, 1))
    assert one.requests != other.requests
    assert len(one.requests) == len(other.requests) == (1 if method.kind is Kind.SERVER else 4)
    assert len(answers(method, one)) == len(answers(method, other))


def test_probes_of_a_stream_of_orders_hold_an_empty_one_and_the_corners():
    sample, empty, corners = probes(SHOP["Basket"], "small", 3)
    assert (len(sample.requests), empty.requests, len(corners.requests)) == (3, [], 2)
    assert answers(SHOP["Basket"], empty)[0].pieces == 0


def test_an_endless_handler_is_cut_off():
    method = service.read(Short)["Run"]
    assert len(answers(method, Batch([shop.Note(1, b"")]))) == 100_000


def test_a_new_batch_has_no_arrivals():
    assert Batch([1]).arrivals == array("q")
