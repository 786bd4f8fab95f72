"""Frames, however they come."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from stacks.errors import ConnectionLost, ProtocolError, Refused
from stacks.transports.thrift.frames import ENVELOPE, Frames, OversizeError

sys.path.insert(0, str(Path(__file__).parent))
from apache import length


def made(*pieces, limit=100, check=None):
    left, sent = list(pieces), []

    def receive(most):
        if not left:
            return b""
        data, left[0] = left[0][:most], left[0][most:]
        if not left[0]:
            left.pop(0)
        return data

    return Frames(receive, sent.append, limit, check), left, sent


@pytest.mark.parametrize("check", [None, bytes], ids=["known", "stranger"])
@pytest.mark.parametrize("step", [1, 2, 3, 5, 8, 1000])
@pytest.mark.parametrize("most", [4, 7, 4096])
def test_however_the_bytes_come_no_more_than_a_frame_is_given(check, step, most):
    messages = [b"a", b"bc" * 40, b"d" * 5, b"e" * 100] * 5
    stream = b"".join(map(length, messages))
    frames, _, _ = made(*(stream[k : k + step] for k in range(0, len(stream), step)), check=check)
    for message in messages:
        frames.expect()
        data = frames.read(most)
        while len(data) < 4 + len(message):
            part = frames.read(most)
            assert 0 < len(part) <= most
            data += part
        assert data == length(message)
        with pytest.raises(ProtocolError, match="ends too early"):
            frames.read(most)
    frames.expect()
    with pytest.raises(ConnectionLost):
        frames.read(most)


def test_nothing_is_received_beyond_a_length_over_the_limit():
    frames, left, _ = made(struct.pack(">i", 101 + ENVELOPE), b"x" * 100)
    frames.expect()
    with pytest.raises(Refused, match="larger than max"):
        frames.read(4096)
    assert left == [b"x" * 100]


def test_a_frame_that_is_too_large_is_not_sent():
    frames, _, sent = made()
    frames.largest = 10
    with pytest.raises(OversizeError) as caught:
        frames.write(bytes(11))
    assert caught.value.size == 11
    frames.write(bytes(10))
    assert sent == [bytes(10)]


def test_what_is_wrong_with_a_strangers_message_is_told_before_it_is_read():
    def check(message):
        raise ProtocolError(f"not {message!r}")

    frames, _, _ = made(b"\0\0\0\2a", b"b", check=check)
    frames.expect()
    with pytest.raises(ProtocolError, match="not b'ab'"):
        frames.read(4096)
