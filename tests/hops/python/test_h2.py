"""REST over HTTP/2 through the hop in Python, spoken by the library h2."""

from __future__ import annotations

import socket

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest

import stacks
from stacks import hops, service, shop
from stacks.base import Address, Options, Route

LONG = 20.0
SHOP = service.load("stacks.shop:Shop")
ECHO = "/rpcduel.Shop/Echo"


class Client:
    """An HTTP/2 client with one connection, which reads all events in order."""

    def __init__(self, address):
        self.socket = socket.create_connection((address.host, address.port), LONG)
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.state.initiate_connection()
        self.replies = {}
        self.ended = set()
        self.reset = {}
        self.flush()

    def flush(self):
        self.socket.sendall(self.state.data_to_send())

    def ask(self, path, body=b"", method="POST", media="application/json", *, end=True):
        number = self.state.get_next_available_stream_id()
        head = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "shop")]
        self.state.send_headers(
            number, [*head, ("content-type", media), ("te", "trailers")], end_stream=end and not body
        )
        self.replies[number] = ({}, bytearray())
        if body:
            self.send(number, body, end=end)
        self.flush()
        return number

    def send(self, number, body, *, end):
        while body:
            size = min(self.state.local_flow_control_window(number), 16_384, len(body))
            if size == 0:
                self.flush()
                self.read()
                continue
            self.state.send_data(number, body[:size], end_stream=end and size == len(body))
            body = body[size:]
        self.flush()

    def read(self, *, acknowledge=True):
        data = self.socket.recv(65_536)
        assert data, "the connection ended"
        for event in self.state.receive_data(data):
            number = getattr(event, "stream_id", None)
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                self.replies[number][0].update(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.replies[number][1].extend(event.data)
                if acknowledge:
                    self.state.acknowledge_received_data(event.flow_controlled_length, number)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(number)
            elif isinstance(event, h2.events.StreamReset):
                self.reset[number] = event.error_code
        self.flush()

    def reply(self, number):
        while number not in self.ended | self.reset.keys():
            self.read()
        headers, body = self.replies[number]
        return headers, bytes(body)


@pytest.fixture
def hop(opened):
    served = opened.enter_context(stacks.find("rest-json").serve(SHOP, Address(), Options()))
    return opened.enter_context(hops.find("python").serve([Route("/", served.address)], Address())).address


@pytest.fixture
def client(hop, opened):
    client = Client(hop)
    opened.callback(client.socket.close)
    return client


def note(size):
    return stacks.find("rest-json").codec(shop.Note).encode(shop.Note(1, bytes(range(256)) * (size // 256)))


def test_a_request_is_answered(client):
    headers, body = client.reply(client.ask(ECHO, note(256)))
    assert (headers[":status"], headers["content-type"], body) == ("200", "application/json", note(256))


@pytest.mark.parametrize("size", [256 * 300, 2_000_000])
def test_bodies_larger_than_the_windows_pass_both_ways(client, size):
    body = note(size)
    assert client.reply(client.ask(ECHO, body))[1] == body


def test_requests_share_a_connection(client):
    bodies = [note(256 * number) for number in range(1, 40)]
    numbers = [client.ask(ECHO, body) for body in bodies]
    assert [client.reply(number)[1] for number in numbers] == bodies


def test_a_failure_has_its_status(client):
    headers, body = client.reply(client.ask("/rpcduel.Shop/Nothing", b"{}"))
    assert headers[":status"] == "404"
    assert b"UNIMPLEMENTED" in body
    headers, _ = client.reply(client.ask(ECHO, method="GET"))
    assert (headers[":status"], headers["allow"]) == ("405", "POST")


def test_grpc_on_such_a_connection_is_told_to_take_its_own(client):
    client.reply(client.ask(ECHO, note(0)))
    headers, _ = client.reply(client.ask("/rpcduel.Shop/Quote", b"\0\0\0\0\0", media="application/grpc"))
    assert (headers[":status"], headers["grpc-status"]) == ("200", "12")
    assert "connection of their own" in headers["grpc-message"]
    assert client.reply(client.ask(ECHO, note(0)))[0][":status"] == "200"


def test_what_is_not_grpc_on_a_connection_of_grpc_is_reset(opened):
    served = opened.enter_context(stacks.find("grpc-protobuf").serve(SHOP, Address(), Options()))
    hop = opened.enter_context(hops.find("python").serve([Route("/", served.address)], Address()))
    client = Client(hop.address)
    opened.callback(client.socket.close)
    quote = ("/rpcduel.Shop/Quote", b"\0\0\0\0\0", "POST", "application/grpc")
    assert client.reply(client.ask(*quote))[0]["grpc-status"] == "0"
    number = client.ask(ECHO, method="GET")
    assert client.reply(number)[0] == {}
    assert client.reset[number] == h2.errors.ErrorCodes.INTERNAL_ERROR
    assert client.reply(client.ask(*quote))[0]["grpc-status"] == "0"


def test_who_reads_nothing_holds_back_only_himself(client):
    held = client.ask(ECHO, note(500_000))
    while len(client.replies[held][1]) < 60_000:
        client.read(acknowledge=False)
    # The connection's window is used up, too; only a frame without data comes through now.
    headers_of = client.ask(ECHO, method="GET")
    while not client.replies[headers_of][0]:
        client.read(acknowledge=False)
    assert client.replies[headers_of][0][":status"] == "405"
    assert held not in client.ended


@pytest.mark.parametrize("path", ["x", "/a b", "http://a/"])
def test_a_path_that_makes_no_request_line_is_refused(client, path):
    client.state.config.validate_outbound_headers = False
    number = client.ask(path)
    client.reply(number)
    assert client.reset[number] == h2.errors.ErrorCodes.PROTOCOL_ERROR
    assert client.reply(client.ask(ECHO, note(0)))[0][":status"] == "200"


def test_a_request_that_is_taken_back_leaves_the_others(client):
    taken = client.ask(ECHO, b"{", end=False)
    client.state.reset_stream(taken)
    client.flush()
    assert client.reply(client.ask(ECHO, note(256)))[1] == note(256)


def test_what_is_no_http_2_ends_the_connection(client):
    client.reply(client.ask(ECHO, note(0)))
    client.socket.sendall(b"\0\0\1\0\0\0\0\0\0\0")  # data on stream 0
    while client.socket.recv(65_536):
        pass
