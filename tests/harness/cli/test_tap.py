"""`rpcduel tap`: connections of every channel mode, bytes of calls, what is shown and what refused."""

import io
import json
import threading

import pytest

import stacks
from harness import tapped
from harness.cli import main
from harness.measure import tapping
from harness.show import taps
from harness.tapped import Point, Tapped
from scenarios.arm import parse
from stacks import service, shop
from stacks.base import Address, Options
from stacks.errors import CallError
from stacks.hops.tap.counts import Bytes, Counts

SHOP = service.load(service.DEFAULT)


@pytest.fixture
def told(capsys):
    """Run `rpcduel tap … --json`; gives the object."""

    def told(*args):
        assert main(["tap", *args, "--json"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return json.loads(out)

    return told


@pytest.mark.parametrize(
    ("mode", "users", "connections"),
    [
        ("per-request", 1, 50),
        ("per-request", 4, 50),
        ("shared", 16, 1),
        ("per-user", 16, 16),
        ("pool:4", 16, 4),
    ],
)
def test_grpc_opens_the_connections_that_the_mode_says(told, mode, users, connections):
    found = told(f"grpc-protobuf,channel={mode}", "--calls", "50", "--users", str(users))
    assert (found["connections"], found["calls"], found["seen"]) == (connections, 50, 50)
    assert (found["steady"] is None) == (mode == "per-request")
    assert found["first"]["calls"] == connections


@pytest.mark.parametrize(("limit", "users", "streams"), [(2, 6, 2), (100, 6, 6)])
def test_calls_beyond_the_servers_limit_wait_in_the_client(told, limit, users, streams):
    spec = f"grpc-protobuf,channel=shared,streams={limit},work=wait:100ms"
    found = told(spec, "--calls", "18", "--users", str(users))
    assert (found["connections"], found["calls"], found["seen"]) == (1, 18, 18)
    assert found["streams"] <= streams + found["refused"]
    assert found["streams"] >= min(limit, users) > 1
    # A server may still count a stream that its client has seen end.
    assert found["failed"] == found["refused"] <= 9


def test_what_has_no_streams_tells_of_none(told):
    assert told("tcp-msgpack", "--calls", "4")["streams"] is None


def test_every_user_calls_where_there_are_just_as_many_calls(told):
    found = told("grpc-protobuf", "--calls", "8", "--users", "8")
    assert (found["connections"], found["steady"]) == (8, None)


@pytest.mark.parametrize(
    ("mode", "connections"), [("per-request", 20), ("shared", 1), ("per-user", 4), ("pool:2", 2)]
)
@pytest.mark.parametrize("name", ["tcp-msgpack", "yamux-msgpack", "rest-json", "thrift-binary"])
def test_all_transports_open_the_connections_that_the_mode_says(told, name, mode, connections):
    if mode == "shared" and not stacks.find(name).multiplexes:
        pytest.skip("not applicable: one call at a time")
    found = told(f"{name},channel={mode}", "--calls", "20", "--users", "4")
    assert (found["connections"], found["seen"]) == (connections, 20)


def test_calls_with_connections_of_their_own_are_in_flight_together(told):
    found = told("tcp-msgpack,channel=per-request,work=wait:300ms", "--calls", "4", "--users", "4")
    assert found["connections"] == 4
    assert found["most"] > 1


def test_payload_is_what_the_codec_writes_and_parts_add_up(told):
    stack, order = stacks.find("grpc-msgpack"), shop.order("medium")
    payload = [
        len(stack.codec(shop.Order).encode(order)),
        len(stack.codec(shop.Receipt).encode(SHOP["Quote"].handler(order))),
    ]
    found = told("grpc-msgpack", "--calls", "20", "--sample", "medium")
    assert [found["payload_out"], found["payload_in"]] == [20 * size for size in payload]
    assert [found["kinds_out"]["body"], found["kinds_in"]["body"]] == [20 * size for size in payload]
    for way in ("out", "in"):
        parts = [found[part] for part in ("first", "steady", "closing")]
        for key in (f"bytes_{way}", f"payload_{way}"):
            assert found[key] == sum(part[key] for part in parts)
        for part in (found, *parts):
            assert part[f"bytes_{way}"] == sum(part[f"kinds_{way}"].values())
        assert found["first"][f"overhead_{way}"] > found["steady"][f"overhead_{way}"] > 0
        assert found[f"overhead_{way}"] == (found[f"bytes_{way}"] - found[f"payload_{way}"]) / 20
    assert [found["points"][0][key] for key in ("from", "to")] == ["client", "server"]
    assert {key: found[key] for key in found["points"][0]} == found["points"][0]


def test_each_hop_gets_a_tap_before_it_and_one_behind(told):
    found = told("tcp-msgpack@tap@tap,channel=shared", "--calls", "10", "--users", "2")
    places = [(point["from"], point["to"]) for point in found["points"]]
    assert places == [("client", "tap"), ("tap", "tap"), ("tap", "server")]
    assert len({point["bytes_out"] for point in found["points"]}) == 1
    assert [point["connections"] for point in found["points"]] == [1, 1, 1]


def test_streams_count_all_their_messages(told):
    found = told("yamux-msgpack", "--calls", "3", "--method", "Haggle")
    assert (found["messages"], found["seen"]) == (100, 3)
    assert found["payload_out"] == found["kinds_out"]["body"]
    assert found["payload_in"] == found["kinds_in"]["body"]


def test_a_server_that_runs_already_is_tapped_too(told):
    with stacks.find("thrift-binary").serve(SHOP, Address(), Options()) as served:
        found = told(f"thrift-binary,at={served.address}", "--calls", "5")
    assert (found["connections"], found["protocols"]) == (1, ["Thrift"])


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["nothing"], "there is no stack 'nothing'"),
        (["memory"], "memory has no wire, so there is nothing to tap"),
        (["thrift-binary,channel=shared"], "channel=shared is not applicable to thrift-binary"),
        (["grpc-protobuf,tls=on"], "nothing can be told apart under TLS; leave tls off"),
        (["tcp-msgpack,streams=3"], "tcp-msgpack has no stream limit; leave streams out"),
        (["grpc-protobuf,beside=1MiB"], "a tap counts calls of one size; leave beside out"),
        (["tcp-msgpack,channel=some"], "there is no channel mode 'some'"),
        (["tcp-msgpack", "--method", "Haggle"], "Haggle is a bidi call, and tcp-msgpack carries: unary"),
        (["tcp-msgpack", "--method", "Nothing"], "has no method 'Nothing'"),
        (["tcp-msgpack", "--users", "0"], "users=0: must be from 1 to 1000"),
        (["tcp-msgpack", "--users", "5", "--calls", "4"], "calls=4: must be from 5, a call for every user"),
        (["tcp-msgpack", "--calls", "many"], "'many' is not a valid integer"),
        (["tcp-msgpack", "--sample", "huge"], "huge"),
        (["tcp-msgpack", "--service", "no.such:Shop"], "no.such:Shop"),
        (["tcp-msgpack,python=/no/python"], "there is no program '/no/python'"),
        (["tcp-msgpack,python=/bin/false"], "the server ended at once with exit code 1"),
        (["tcp-msgpack,at=127.0.0.1:1"], "127.0.0.1"),
        ([], "Missing argument 'SPEC'"),
    ],
)
def test_what_cannot_be_is_named(args, text, capsys):
    threads = set(threading.enumerate())
    assert main(["tap", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert "Traceback" not in err
    assert set(threading.enumerate()) <= threads


def test_a_failing_call_ends_all_users():
    calls, failed = [], CallError("no more")

    def call(request, timeout):
        calls.append(request)
        if len(calls) == 10:
            raise failed

    with pytest.raises(CallError) as caught:
        tapping._together([call] * 4, [0, 1, 2, 3], 100_000, limited=False)
    assert caught.value is failed
    assert len(calls) < 100_000


def test_all_users_are_at_work_at_once():
    together = threading.Barrier(3)
    tapping._together([lambda *_: together.wait(20)] * 3, [None] * 3, 3, limited=False)


def test_parts_are_what_came_in_between():
    before = Counts(out=Bytes(100, 50, 50), back=Bytes(10, other=10))
    after = Counts(out=Bytes(400, 250, 100, 50), back=Bytes(30, 15, other=15))
    part = tapped.part(before, after, 10, (20, 1))
    assert (part.bytes_out, part.bytes_in, part.payload_out, part.payload_in) == (300, 20, 200, 10)
    assert (part.kinds_out, part.kinds_in) == (Bytes(300, 200, 50, 50), Bytes(20, 15, other=5))
    assert (part.overhead_out, part.overhead_in) == (10.0, 1.0)
    assert tapped.add(part, part).bytes_out == 600
    assert tapped.add(part, None) is part
    assert tapped.part(before, after, 0, (20, 1)).overhead_out == 0


def example():
    parts = [
        tapped.part(Counts(), Counts(out=Bytes(*out), back=Bytes(*back)), calls, (95, 78))
        for calls, out, back in (
            (16, (7936, 1520, 368, 3606, 2442), (5120, 1248, 512, 1728, 1632)),
            (984, (117_386, 93_480, 22_632, 1041, 233), (112_472, 76_752, 30_000, 1596, 4124)),
            (0, (17, 0, 0, 0, 17), (34, 0, 0, 0, 34)),
        )
    ]
    nothing = tapped.part(Counts(), Counts(), 0, (95, 78))
    points = (
        Point("client", "envoy", ("HTTP/2",), 16, 16, 1000, *parts),
        Point("envoy", "server", ("HTTP/1", "TLS"), 1, 1, None, parts[0], None, nothing),
    )
    return Tapped("grpc-protobuf", ("envoy",), "per-user", "Haggle", "10KiB", 16, 1000, 100, points)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_it_is_shown_in_80_cells(encoding, golden):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    taps.show(example(), stream)
    stream.flush()
    shown = stream.buffer.getvalue().decode(encoding)
    assert max(map(len, shown.splitlines())) <= 80
    golden(f"taps-{encoding}.txt", shown)


def test_it_is_written_as_one_json_object(golden):
    found = taps.render(example())
    golden("taps.json", found)
    assert json.loads(found)["points"][0]["first"]["bytes_out"] == 7936


def test_a_spec_may_name_method_and_channel(told):
    assert parse("tcp-msgpack,method=Echo").method == "Echo"
    assert told("tcp-msgpack,method=Echo", "--calls", "2")["method"] == "Echo"
