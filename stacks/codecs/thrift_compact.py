"""The library's compact protocol, with bounds on what a stranger may make it read."""

from __future__ import annotations

from thriftpy2.protocol.compact import TTYPES, TCompactProtocol
from thriftpy2.protocol.exc import TProtocolException
from thriftpy2.thrift import TType

from stacks.errors import ProtocolError

_BITS = 64
_INTS = (TType.I16, TType.I32, TType.I64)
_FALSE = 2
"""The compact protocol's type of a field that is false; 1 is one that is true."""


class Compact(TCompactProtocol):
    """thriftpy2's compact protocol, which is pure Python.

    As it is, a varint may be as long as the message, which takes time by its square, and a container of an
    element type that takes no bytes may have any number of elements. Here both are refused. Format:
    https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
    """

    def reset(self) -> None:
        """Forget a message that was given up half-way."""
        self._structs = []
        self._last_fid = 0
        self._bool_fid = None
        self._bool_value = None

    def read_message_begin(self) -> tuple[str, int, int]:
        """Give name, kind and sequence number."""
        identity, head = self.trans.read(2)
        if identity != self.PROTOCOL_ID or head & self.VERSION_MASK != self.VERSION:
            raise TProtocolException(  # type: ignore[no-untyped-call]
                TProtocolException.BAD_VERSION, f"{identity:#x} {head:#x} begins no message"
            )
        number = self._read_size()
        return self._read_string(), head >> self.TYPE_SHIFT_AMOUNT, number  # type: ignore[no-untyped-call]

    def skip(self, ttype: int) -> None:
        """Read over a value of a type; raises `ProtocolError` for one of no bytes."""
        if ttype in _INTS:
            self._read_size()
        elif ttype == TType.STOP:
            raise ProtocolError("a list or map has elements of no type")
        else:
            super().skip(ttype)  # type: ignore[no-untyped-call]

    def _read_field_begin(self) -> tuple[None, int, int]:
        head = self.trans.read(1)[0]
        kind = head & 0x0F
        if not kind:
            return None, TType.STOP, 0
        delta = head >> 4
        self._last_fid = field = self._last_fid + delta if delta else self._read_int()
        if kind <= _FALSE:
            self._bool_value = kind < _FALSE
        return None, TTYPES[kind], field

    def _read_int(self) -> int:
        folded = self._read_size()
        return (folded >> 1) ^ -(folded & 1)

    def _read_size(self) -> int:
        read = self.trans.read
        size = shift = 0
        while shift < _BITS:
            byte = read(1)[0]
            size |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 -- the bit that says that more bytes follow
                break
            shift += 7
        if shift >= _BITS or size >> _BITS:
            raise ProtocolError("a number has more than 64 bits")
        return size
