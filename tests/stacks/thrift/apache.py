"""Apache's own Thrift library speaking to the contract's service, written by hand as a generator would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from thrift.protocol.TBase import TBase
from thrift.protocol.TBinaryProtocol import TBinaryProtocolFactory
from thrift.protocol.TCompactProtocol import TCompactProtocolFactory
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TFramedTransport

PROTOCOLS = {"thrift-binary": TBinaryProtocolFactory(), "thrift-compact": TCompactProtocolFactory()}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def struct(name, *fields):
    """Make a class from pairs of name and type, numbered from 1, or from whole specs."""
    specs = [field if len(field) == 5 else (k, *field, None) for k, field in enumerate(fields, start=1)]
    names = [spec[2] for spec in specs]

    def __init__(self, **values):  # noqa: N807 -- it becomes a class's
        for each in names:
            setattr(self, each, values.get(each))

    spec = [None] * (specs[-1][0] + 1)
    for one in specs:
        spec[one[0]] = one
    members = {"__slots__": names, "__init__": __init__, "thrift_spec": tuple(spec)}
    return type(name, (TBase,), members)


Point = struct("Point", (TType.I64, "x", None), (TType.DOUBLE, "y", None))
Wide = struct(
    "Wide",
    (TType.I64, "number", None),
    (TType.DOUBLE, "share", None),
    (TType.BOOL, "sure", None),
    (TType.STRING, "text", "UTF8"),
    (TType.STRING, "data", "BINARY"),
    (TType.I32, "colour", None),
    (TType.I64, "when", None),
    (TType.STRING, "key", "BINARY"),
    (TType.STRING, "maybe", "UTF8"),
    (TType.LIST, "numbers", (TType.I64, None, False)),
    (TType.MAP, "prices", (TType.STRING, "UTF8", TType.I64, None, False)),
    (TType.LIST, "points", (TType.STRUCT, [Point, Point.thrift_spec], False)),
    (TType.I32, "half", None),
)
Ask = struct("Ask", (TType.I64, "id", None), (TType.STRING, "text", "UTF8"))
RpcError = struct("RpcError", (TType.STRING, "code", "UTF8"), (TType.STRING, "text", "UTF8"))


def wide(value):
    """Turn the contract's `Wide` into Apache's."""
    since = value.when - EPOCH
    return Wide(
        number=value.number, share=value.share, sure=value.sure, text=value.text, data=value.data,
        colour=["red", "blue"].index(value.colour.value), when=since // timedelta(microseconds=1),
        key=value.key.bytes, maybe=value.maybe, numbers=value.numbers, prices=value.prices,
        points=[Point(x=point.x, y=point.y) for point in value.points], half=value.half,
    )  # fmt: skip


def args(cls):
    return struct("args", (TType.STRUCT, "request", [cls, cls.thrift_spec]))


def result(cls):
    return struct(
        "result",
        (0, TType.STRUCT, "success", [cls, cls.thrift_spec], None),
        (1, TType.STRUCT, "error", [RpcError, RpcError.thrift_spec], None),
    )


def framed(connection, name):
    """Put a protocol on a connected socket."""
    trans = TSocket()
    trans.setHandle(connection)
    return PROTOCOLS[name].getProtocol(TFramedTransport(trans))


def send(protocol, name, kind, number, value):
    protocol.writeMessageBegin(name, kind, number)
    value.write(protocol)
    protocol.writeMessageEnd()
    protocol.trans.flush()


def call(protocol, name, number, request):
    """Call a method; gives its result, or raises the server's `TApplicationException`."""
    send(protocol, name, TMessageType.CALL, number, args(type(request))(request=request))
    answered, kind, told = protocol.readMessageBegin()
    assert (answered, told) == (name, number)
    if kind == TMessageType.EXCEPTION:
        error = TApplicationException()
        error.read(protocol)
        protocol.readMessageEnd()
        raise error
    assert kind == TMessageType.REPLY
    found = result(type(request))()
    found.read(protocol)
    protocol.readMessageEnd()
    return found


def answer(protocol, reply, cls=Ask):
    """Take a call and send what `reply` makes of name, sequence number and request."""
    name, kind, number = protocol.readMessageBegin()
    assert kind == TMessageType.CALL
    given = args(cls)()
    given.read(protocol)
    protocol.readMessageEnd()
    send(protocol, *reply(name, number, given.request))


def length(message):
    """Put a message into a frame."""
    return len(message).to_bytes(4) + message


class Kept:
    """A transport that keeps what is written."""

    data = b""

    def write(self, data):
        self.data += data

    def flush(self):
        pass


def call_frame(protocol, name, number, ask):
    """Write a call as Apache does."""
    kept = Kept()
    request = Ask(id=ask.id, text=ask.text)
    written = PROTOCOLS[protocol].getProtocol(TFramedTransport(kept))
    send(written, name, TMessageType.CALL, number, args(Ask)(request=request))
    return kept.data
