"""How calls through the hop in Python end early: reset by the upstream, or cancelled by the caller."""

from __future__ import annotations

import asyncio
import socket
import threading

import grpc
import grpc.aio
import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest

from stacks.base import Address, Route
from stacks.hops.python.grpc import _upward

LONG = 20.0


@pytest.mark.parametrize("gone", [False, True])
def test_a_cancelled_upload_is_not_ended_as_if_it_were_whole(monkeypatch, gone):
    monkeypatch.setattr("stacks.hops.python.grpc.PAUSE", -1.0)
    monkeypatch.setattr("stacks.hops.python.grpc.GRACE", LONG if gone else 0.0)
    said = []

    class Both:
        """A context to read from and a call to write to."""

        def __init__(self):
            self.requests = iter([b"1", b"2", grpc.aio.EOF])
            self._cython_call = self

        async def read(self):
            request = next(self.requests)
            if gone and request is grpc.aio.EOF:
                asyncio.get_running_loop().call_soon(task.cancel)  # as the server does when it is told
            return request

        async def wait_for_connection(self):
            said.append("connected")

        async def send_serialized_message(self, request):
            said.append(request)

        async def done_writing(self):
            said.append("done")

    async def upload():
        nonlocal task
        both = Both()
        task = asyncio.create_task(_upward(both, both))
        await asyncio.gather(task, return_exceptions=True)

    task = None
    asyncio.run(upload())
    assert said == ["connected", b"1", b"2", *([] if gone else ["done"])]


class Resetting:
    """A gRPC server, frame by frame, that answers every call with one reply and then takes it back."""

    def __init__(self, why, opened):
        self._why = why
        self._listening = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = self._listening.getsockname()[1]
        opened.callback(self._listening.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        state.initiate_connection()
        with connection:
            connection.sendall(state.data_to_send())
            while data := connection.recv(65536):
                for event in state.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        head = [(":status", "200"), ("content-type", "application/grpc")]
                        state.send_headers(event.stream_id, head)
                        state.send_data(event.stream_id, b"\0\0\0\0\1x")
                        state.reset_stream(event.stream_id, self._why)
                connection.sendall(state.data_to_send())


@pytest.mark.parametrize("carries", ["", "grpc"])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "why",
    [h2.errors.ErrorCodes.CANCEL, h2.errors.ErrorCodes.REFUSED_STREAM, h2.errors.ErrorCodes.INTERNAL_ERROR],
)
def test_a_reset_call_ends_as_without_a_hop(opened, pass_on, channel_to, carries, known, why):
    address = Address(port=Resetting(why, opened).port)
    codes, unary = [], ("/t.T/Name",) if known else ()
    for where in (address, pass_on(Route("/", address, carries, unary))):
        with pytest.raises(grpc.RpcError) as caught:
            channel_to(where).unary_unary("/t.T/Name", None, None)(b"", timeout=LONG)
        codes.append(caught.value.code())
    assert codes[0] is codes[1]
