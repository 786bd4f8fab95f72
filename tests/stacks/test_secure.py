"""TLS as other programs know it, certificates that are not valid, and sockets with TLS on them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgpack
import pytest
import trustme

import stacks
from stacks import certificates, service, shop
from stacks.base import Address, Options, Tls
from stacks.errors import ConnectionLost, Timeout, Unavailable
from stacks.transports import dial, secure, secure_socket

LONG = 20.0
SHOP = service.load("stacks.shop:Shop")


@pytest.fixture
def pair(tls):
    """Make both ends of a connection: our client's side, and the standard library's server."""
    with contextlib.ExitStack() as stay:

        def make():
            ours, theirs = map(stay.enter_context, socket.socketpair())
            theirs.settimeout(LONG)
            answer = []
            context = secure.server(tls)
            accept = threading.Thread(
                target=lambda: answer.append(context.wrap_socket(theirs, server_side=True))
            )
            accept.start()
            client = secure_socket.client(ours, secure.client(tls), "localhost", time.monotonic() + LONG)
            accept.join(LONG)
            client.settimeout(LONG)
            return client, stay.enter_context(answer[0])

        yield make


def received(client, size):
    """Read as a client does: who has time left asks again."""
    data = b""
    while len(data) < size:
        with contextlib.suppress(TimeoutError):
            data += client.recv(size)
    return data


def issued(folder, *names, **more):
    """Write a CA and a certificate that it issued."""
    ca = trustme.CA()
    leaf = ca.issue_cert(*names, **more)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    leaf.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    return Tls(ca=str(folder / "ca.pem"), certificate=str(folder / "both.pem"), key=str(folder / "both.pem"))


def test_certificates_are_for_their_owner_alone(tmp_path):
    tls = certificates.made(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.pem", "server.key", "server.pem"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert "PRIVATE" not in Path(tls.ca).read_text() + Path(tls.certificate).read_text()
    with pytest.raises(FileExistsError):
        certificates.made(tmp_path)


def test_certificates_are_what_is_said_of_them(tls):
    shown = subprocess.run(
        ["openssl", "x509", "-in", tls.certificate, "-noout", "-text"],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=True,
    ).stdout
    assert certificates.KIND.startswith("ECDSA P-256")
    assert "NIST CURVE: P-256" in shown
    assert "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1" in shown


@pytest.mark.parametrize("name", ["grpc-protobuf", "rest-json", "tcp-msgpack", "thrift-binary"])
def test_an_expired_certificate_is_not_trusted(name, tmp_path):
    past = datetime(2020, 1, 1, tzinfo=UTC)
    tls = issued(tmp_path, "127.0.0.1", not_before=past, not_after=past + timedelta(days=1))
    stack = stacks.find(name)
    with (
        stack.serve(SHOP, Address(), Options(tls=tls)) as served,
        pytest.raises(Unavailable, match="certificate has expired"),
        contextlib.closing(stack.connect(served.address, Options(tls=tls))) as client,
    ):
        client.unary(SHOP["Echo"])(shop.Note(1, b""), LONG)


def test_a_certificate_for_another_address_is_named(tmp_path):
    tls = issued(tmp_path, "example.org")
    stack = stacks.find("tcp-msgpack")
    with stack.serve(SHOP, Address(), Options(tls=tls)) as served:
        with pytest.raises(Unavailable, match=r"IP address mismatch.*'127\.0\.0\.1'"):
            stack.connect(served.address, Options(tls=tls))
        stack.connect(served.address, Options(tls=Tls(ca=tls.ca, name="example.org"))).close()


@pytest.mark.parametrize(
    ("name", "protocol"),
    [("grpc-protobuf", "h2"), ("rest-json", "http/1.1"), ("graphql-json", "http/1.1"), ("tcp-json", None)],
)
def test_servers_choose_their_protocol(name, protocol, tls):
    context = ssl.create_default_context(cafile=tls.ca)
    context.set_alpn_protocols(["http/1.1", "h2"])
    with (
        stacks.find(name).serve(SHOP, Address(), Options(tls=tls)) as served,
        socket.create_connection((served.address.host, served.address.port), LONG) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
    ):
        assert secured.selected_alpn_protocol() == protocol


@pytest.mark.parametrize("name", ["rest-json", "tcp-msgpack", "yamux-msgpack", "thrift-binary"])
def test_old_versions_are_refused(name, tls):
    context = ssl.create_default_context(cafile=tls.ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        stacks.find(name).serve(SHOP, Address(), Options(tls=tls)) as served,
        socket.create_connection((served.address.host, served.address.port), LONG) as raw,
        pytest.raises(OSError, match=r"(?i)protocol version|reset|EOF"),
    ):
        context.wrap_socket(raw, server_hostname="127.0.0.1")


def test_the_standard_librarys_https_client_is_answered(tls):
    context = ssl.create_default_context(cafile=tls.ca)
    with stacks.find("rest-json").serve(SHOP, Address(), Options(tls=tls)) as served:
        client = http.client.HTTPSConnection("localhost", served.address.port, timeout=LONG, context=context)
        with contextlib.closing(client):
            for number in range(3):
                body = json.dumps({"id": number, "body": "YQ=="})
                client.request("POST", "/rpcduel.Shop/Echo", body, {"content-type": "application/json"})
                response = client.getresponse()
                assert (response.status, json.loads(response.read())["id"]) == (200, number)


def test_a_client_of_python_s_ssl_module_is_answered(tls):
    context = ssl.create_default_context(cafile=tls.ca)
    with (
        stacks.find("tcp-msgpack").serve(SHOP, Address(), Options(tls=tls)) as served,
        socket.create_connection((served.address.host, served.address.port), LONG) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secured,
    ):
        secured.sendall(msgpack.packb([0, 7, "Echo", [[5, b"x"]]]))
        assert msgpack.unpackb(secured.recv(1000)) == [1, 7, None, [5, b"x"]]


def test_openssl_s_client_is_answered(tls):
    with stacks.find("tcp-json").serve(SHOP, Address(), Options(tls=tls)) as served:
        done = subprocess.run(
            [
                "openssl",
                "s_client",
                "-verify_return_error",
                "-CAfile",
                tls.ca,
                "-connect",
                str(served.address),
            ],
            input='[0,7,"No such",[{}]]\n',
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "Verify return code: 0 (ok)" in done.stdout
    assert "New, TLSv1.3" in done.stdout


def test_a_server_of_python_s_ssl_module_is_understood(tls):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)

        def answer():
            raw, _ = listening.accept()
            raw.settimeout(LONG)
            with raw, context.wrap_socket(raw, server_side=True) as secured:
                _, number, _, (note,) = msgpack.unpackb(secured.recv(1000))
                for byte in msgpack.packb([1, number, None, note]):
                    secured.send(bytes([byte]))
                secured.recv(1000)

        server = threading.Thread(target=answer)
        server.start()
        address = Address(port=listening.getsockname()[1])
        client = stacks.find("tcp-msgpack").connect(address, Options(tls=tls))
        assert client.unary(SHOP["Echo"])(shop.Note(3, b"abc"), LONG) == shop.Note(3, b"abc")
        client.close()
        server.join(LONG)


@pytest.mark.parametrize("name", ["rest-json", "tcp-msgpack", "yamux-msgpack", "thrift-binary"])
def test_a_server_that_says_nothing_is_unavailable(name, tls):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = Address(port=listening.getsockname()[1])
        with pytest.raises(Unavailable, match=f"cannot connect to {address}"):
            stacks.find(name).connect(address, Options(tls=tls, connect_timeout=0.2))


def test_a_handshake_has_no_more_time_however_much_comes(tls):
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as stay:

        def drip():
            raw, _ = listening.accept()
            with raw, contextlib.suppress(OSError):
                raw.sendall(b"\x16\x03\x03\x40\x00")
                while not stopped.wait(0.01):
                    raw.sendall(b"\x00")

        stopped = threading.Event()
        dripping = threading.Thread(target=drip)
        dripping.start()
        stay.callback(dripping.join, LONG)
        stay.callback(stopped.set)
        address = Address(port=listening.getsockname()[1])
        with pytest.raises((TimeoutError, Unavailable)):
            dial.dial(address, 0.3, tls)
        assert not stopped.is_set()


def test_everything_comes_in_order(pair):
    client, server = pair()
    data = os.urandom(3_000_000)
    sending = threading.Thread(target=server.sendall, args=(data,))
    sending.start()
    assert received(client, len(data)) == data
    sending.join(LONG)
    back = bytearray()

    def read():
        while len(back) < len(data):
            back.extend(server.recv(100_000))

    reading = threading.Thread(target=read)
    reading.start()
    client.sendall(data)
    reading.join(LONG)
    assert bytes(back) == data


def test_no_more_is_read_than_is_wanted(pair):
    client, server = pair()
    server.sendall(b"0123456789")
    first = b""
    while not first:
        with contextlib.suppress(TimeoutError):
            first = client.read(3)
    assert [first, client.read(4), client.read(100)] == [b"012", b"3456", b"789"]


def test_two_threads_send_and_receive_at_once(pair):
    client, server = pair()
    sender = client.dup()
    pieces = [os.urandom(1 + 7 * k % 3000) for k in range(3000)]
    whole = b"".join(pieces)

    def mirror():
        left = len(whole)
        while left:
            data = server.recv(4000)
            left -= len(data)
            server.sendall(data)

    def send():
        for piece in pieces:
            sender.sendall(piece)

    threads = [threading.Thread(target=mirror), threading.Thread(target=send)]
    for thread in threads:
        thread.start()
    assert received(client, len(whole)) == whole
    for thread in threads:
        thread.join(LONG)
    sender.close()


def test_an_end_that_was_told_is_one_and_a_cut_is_not(pair):
    client, server = pair()
    server.sendall(b"last")

    def tell():
        with contextlib.suppress(OSError):  # our side does not say farewell
            server.unwrap()

    telling = threading.Thread(target=tell)
    telling.start()
    assert received(client, 4) == b"last"
    assert [client.recv(1), client.recv(1)] == [b"", b""]
    client.shutdown(socket.SHUT_RDWR)
    telling.join(LONG)

    client, server = pair()
    server.sendall(b"last")
    assert received(client, 4) == b"last"
    server.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ConnectionAbortedError, match="cut"):
        client.recv(1)


def test_what_is_nothing_yet_is_not_waited_for(pair):
    client, server = pair()
    client.settimeout(0)
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            client.recv(1)
    server.sendall(b"x")
    client.settimeout(LONG)
    assert received(client, 1) == b"x"


def test_what_was_begun_goes_out_before_what_is_sent_instead(pair):
    client, server = pair()
    client.settimeout(0)
    sent = 0
    while True:
        try:
            if not client.send(b"a" * 100_000):
                break
        except BlockingIOError:
            break
        sent += 100_000
    client.forget()
    received_all = bytearray()

    def read():
        while not received_all.endswith(b"b"):
            received_all.extend(server.recv(100_000))

    reading = threading.Thread(target=read)
    reading.start()
    client.settimeout(LONG)
    client.sendall(b"b")
    reading.join(LONG)
    assert bytes(received_all) == b"a" * (sent + 100_000) + b"b"


def test_a_request_that_is_not_taken_times_out_and_others_follow(tls):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        context = secure.server(tls)
        go_on, found = threading.Event(), []

        def serve():
            raw, _ = listening.accept()
            raw.settimeout(LONG)
            with raw, context.wrap_socket(raw, server_side=True) as secured:
                go_on.wait(LONG)
                unpacker = msgpack.Unpacker(max_buffer_size=0)
                while data := secured.recv(100_000):
                    unpacker.feed(data)
                    for _, number, _, (note,) in unpacker:
                        found.append(note[0])
                        secured.sendall(msgpack.packb([1, number, None, [note[0], b""]]))

        server = threading.Thread(target=serve)
        server.start()
        client = stacks.find("tcp-msgpack").connect(
            Address(port=listening.getsockname()[1]), Options(tls=tls)
        )
        echo = client.unary(SHOP["Echo"])
        late = 0
        while late < 100:
            late += 1
            with pytest.raises(Timeout):
                echo(shop.Note(late, b"x" * 200_000), 0.02)
            if client._writing._rest:
                break
        with pytest.raises(Timeout):
            echo(shop.Note(0, b""), 0.02)
        go_on.set()
        assert echo(shop.Note(1000, b""), LONG) == shop.Note(1000, b"")
        assert found == [*range(1, late + 1), 1000]
        client.close()
        server.join(LONG)


def test_a_server_that_goes_away_is_lost(tls):
    stack = stacks.find("rest-json")
    with stack.serve(SHOP, Address(), Options(tls=tls)) as served:
        client = stack.connect(served.address, Options(tls=tls))
        echo = client.unary(SHOP["Echo"])
        echo(shop.Note(1, b""), LONG)
    with pytest.raises((ConnectionLost, Unavailable)):
        echo(shop.Note(2, b""), LONG)
    client.close()
