"""TLS: who is let in, what is said of who is not, and what such a one leaves behind."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import msgspec
import pytest

from stacks import certificates
from stacks.base import Address, Options, Tls
from stacks.errors import CallError, ConnectionLost, ProtocolError, StackError, Unavailable
from stacks.testing.needs import needs
from stacks.testing.oracle import LONG, Ask, Told


def ask(stack, served, offered, tls):
    """Make a call as a client of its own."""
    with contextlib.closing(stack.connect(served.address, Options(tls=tls))) as client:
        return client.unary(offered["Tell"])(Ask(1, "a"), LONG)


@needs("tls")
def test_calls_go_through_tls(serve, connect, offered, tls):
    secured = Options(tls=tls)
    tell = connect(serve(offered, secured), secured).unary(offered["Tell"])
    for text in ("", "a", "ä" * 100_000, "a" * 3_000_000):
        assert tell(Ask(1, text), LONG) == Told(1, text)


@needs("tls")
def test_a_server_speaks_tls_1_3(serve, offered, tls):
    served = serve(offered, Options(tls=tls))
    context = ssl.create_default_context(cafile=tls.ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection((served.address.host, served.address.port), LONG) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secured,
    ):
        assert secured.version() == "TLSv1.3"


@needs("tls")
def test_a_server_of_another_ca_is_not_trusted(stack, serve, offered, seen, tls, tmp_path):
    served = serve(offered, Options(tls=tls))
    with pytest.raises(Unavailable, match=r"(?i)certificate"):
        ask(stack, served, offered, certificates.made(tmp_path))
    assert seen == {}
    assert ask(stack, served, offered, tls) == Told(1, "a")


@needs("tls")
def test_a_server_of_another_name_is_not_trusted(stack, serve, offered, seen, tls):
    served = serve(offered, Options(tls=tls))
    with pytest.raises(Unavailable, match=r"(?i)certificate|host ?name"):
        ask(stack, served, offered, Tls(ca=tls.ca, name="example.org"))
    assert seen == {}
    assert ask(stack, served, offered, Tls(ca=tls.ca, name="localhost")) == Told(1, "a")


@needs("tls")
def test_a_client_without_tls_is_not_served(stack, serve, offered, seen, tls):
    served = serve(offered, Options(tls=tls))
    with pytest.raises((Unavailable, ConnectionLost, ProtocolError)):
        ask(stack, served, offered, None)
    assert seen == {}
    assert ask(stack, served, offered, tls) == Told(1, "a")


@needs("tls")
def test_a_server_without_tls_is_unavailable(stack, serve, offered, seen, tls):
    served = serve(offered)
    with pytest.raises(Unavailable):
        ask(stack, served, offered, tls)
    assert seen == {}
    assert ask(stack, served, offered, None) == Told(1, "a")


@needs("tls")
def test_nothing_is_left_of_those_who_are_not_let_in(stack, serve, offered, tls, descriptors, until):
    served = serve(offered, Options(tls=tls))
    stranger = Tls(ca=tls.ca, name="example.org")
    ask(stack, served, offered, tls)
    threads, before = set(threading.enumerate()), descriptors()
    for _ in range(10):
        for refused in (stranger, None):
            with pytest.raises(CallError):
                ask(stack, served, offered, refused)
    until(lambda: set(threading.enumerate()) <= threads, "no thread is left")
    until(lambda: descriptors() <= before, "no descriptor is left")


@needs("tls")
def test_a_server_stops_in_the_middle_of_a_handshake(stack, offered, opened, tls, descriptors, until):
    before = descriptors()
    with stack.serve(offered, Address(), Options(tls=tls)) as served:
        where = (served.address.host, served.address.port)
        silent = opened.enter_context(socket.create_connection(where, LONG))
        started = opened.enter_context(socket.create_connection(where, LONG))
        started.sendall(b"\x16\x03\x01\x02\x00\x01")
        ask(stack, served, offered, tls)
    for each in (silent, started):
        with contextlib.suppress(ConnectionError):
            while each.recv(1000):
                pass
        each.close()
    until(lambda: descriptors() <= before, "the server has closed its ends")


@needs("tls")
@pytest.mark.parametrize("field", ["certificate", "key"])
@pytest.mark.parametrize("content", [None, "no PEM"])
def test_a_file_that_a_server_cannot_use_is_named(serve, offered, tls, field, content, tmp_path):
    wrong = msgspec.structs.replace(tls, **{field: written(tmp_path, content)})
    with pytest.raises(StackError, match=r"file\.pem.* cannot be"):
        serve(offered, Options(tls=wrong))


@needs("tls")
@pytest.mark.parametrize("content", [None, "no PEM"])
def test_a_file_that_a_client_cannot_use_is_named(stack, serve, offered, tls, content, tmp_path):
    served = serve(offered, Options(tls=tls))
    with pytest.raises(StackError, match=r"file\.pem.* cannot be"):
        ask(stack, served, offered, Tls(ca=written(tmp_path, content)))


def written(folder, content):
    path = folder / "file.pem"
    if content is not None:
        path.write_text(content)
    return str(path)


@needs("tls")
@pytest.mark.parametrize("field", ["certificate", "key"])
def test_a_file_that_is_not_given_is_asked_for(stack, serve, offered, tls, field):
    with pytest.raises(StackError, match=r"TLS needs the server's certificate and its key"):
        serve(offered, Options(tls=msgspec.structs.replace(tls, **{field: ""})))
    served = serve(offered, Options(tls=tls))
    with pytest.raises(StackError, match="TLS needs the certificate of the CA"):
        ask(stack, served, offered, Tls())


def test_a_stack_without_tls_says_so(stack, serve, offered, tls):
    if stack.tls:
        assert "TLS" in stack.tls
        return
    with pytest.raises(StackError, match=f"{stack.name} has no TLS"):
        serve(offered, Options(tls=tls))
    served = serve(offered)
    with pytest.raises(StackError, match=f"{stack.name} has no TLS"):
        stack.connect(served.address, Options(tls=tls))
