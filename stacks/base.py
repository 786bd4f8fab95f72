"""The types by which stacks, formats, services and their callers know each other."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from stacks.errors import AddressError, SchemaError

T = TypeVar("T")
Q = TypeVar("Q", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)
R_co = TypeVar("R_co", bound=msgspec.Struct, covariant=True)

LOOPBACK = "127.0.0.1"
MAX_MESSAGE = 8 * 1024 * 1024
"""Bytes of one encoded message that any side takes, unless told otherwise."""
STREAM_LIMIT = "stream limit"
"""Ability of a stack whose server can limit the calls that a connection has at once."""
_LAST_PORT = 65535


class Codec(Protocol[T]):
    """Carries one message type in one format; made once, called often."""

    def encode(self, value: T) -> bytes:
        """Give the bytes of `value`; raises `ProtocolError` for what the format cannot hold."""
        ...

    def decode(self, data: bytes | memoryview) -> T:
        """Read a value that owns its data; raises `ProtocolError` when `data` is no such message."""
        ...


class Format(Protocol):
    """A way to write messages as bytes."""

    @property
    def name(self) -> str:
        """The short name, as in the second half of ``grpc-protobuf``."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Distribution names and versions of the libraries that do the work."""
        ...

    def codec(self, message: type[T]) -> Codec[T]:
        """Compile the codec of `message`; raises `SchemaError` naming message and field."""
        ...


class Kind(enum.StrEnum):
    """How many messages a call carries each way."""

    UNARY = "unary"
    SERVER = "server-stream"
    CLIENT = "client-stream"
    BIDI = "bidi"


@dataclass(frozen=True)
class Method(Generic[Q, R]):
    """One RPC: its wire name, its message types, and the synchronous handler that serves it."""

    name: str
    request: type[Q]
    reply: type[R]
    kind: Kind
    handler: Callable[..., Any]
    """Takes a request, or an iterator of them; gives a reply, or an iterator of them, as `kind` says."""
    service: str = ""
    """Full name of the service that it belongs to, such as ``rpcduel.Shop``; paths of gRPC need it."""


@dataclass(frozen=True)
class Service:
    """Methods under a full name such as ``rpcduel.Shop``.

    `delay` is simulated work in seconds that an adapter waits before each reply, without using CPU.
    """

    name: str
    methods: tuple[Method[Any, Any], ...]
    delay: float = 0.0

    def __getitem__(self, name: str) -> Method[Any, Any]:
        """Find a method by its wire name; raises `SchemaError` that lists the names there are."""
        for method in self.methods:
            if method.name == name:
                return method
        known = ", ".join(method.name for method in self.methods)
        raise SchemaError(f"service {self.name} has no method {name!r}; it has: {known}")


class Address(msgspec.Struct, frozen=True):
    """Where a server listens; port 0 asks the system for a free one."""

    host: str = LOOPBACK
    port: int = 0

    def __str__(self) -> str:
        """Write as ``host:port``, with brackets around an IPv6 host."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``host:port``; raises `AddressError` that shows the text and the form wanted."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
            raise AddressError(f"{text!r} is no address; write host:port, for example {LOOPBACK}:50051")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))


class Tls(msgspec.Struct, frozen=True):
    """Paths of files in PEM; a client needs the first, a server the two after it."""

    ca: str = ""
    """Certificates that a client trusts."""
    certificate: str = ""
    """The server's certificate, followed by those between it and the CA, if any."""
    key: str = ""
    """The server's private key, not encrypted."""
    name: str = ""
    """What the server's certificate must be for; empty for the host that is connected to."""


class Options(msgspec.Struct, frozen=True):
    """What holds for every call of a client, and for the server's side of it."""

    connect_timeout: float = 5.0
    """Seconds in which a connection must stand."""
    max_message: int = MAX_MESSAGE
    """Bytes of one encoded message, either way; larger ones are refused, not buffered."""
    tls: Tls | None = None
    """How the connection is secured; None for plaintext."""
    max_streams: int = 0
    """Calls that the server lets one connection have at once; 0 for as many as its library has by itself."""


class Facts(msgspec.Struct, frozen=True):
    """What the fairness sheet states about a stack; every text is a short phrase."""

    concurrency: str
    """How the server handles calls side by side."""
    threads: str
    """Threads that work for a call in client and server."""
    nagle: str
    compression: str
    tls: str
    deadline: str
    """How far the caller's deadline travels."""
    max_message: int
    abilities: tuple[str, ...]
    """Of: deadlines, cancellation, metadata, flow control, streams, multiplexing, stream limit."""
    versions: dict[str, str]


class Served(msgspec.Struct, frozen=True, omit_defaults=True):
    """A server that accepts connections."""

    address: Address
    pids: tuple[int, ...]
    facts: dict[str, str] = {}
    """Of a hop that runs in a process of its own: what it states of itself, see `Hop.facts`."""


class Replies(Iterator[R_co], Protocol[R_co]):
    """The replies of one call, to be iterated once; each step may raise a `CallError`."""

    def close(self) -> None:
        """Cancel what is left of the call, its requests too; may be called twice, and after the end."""
        ...


class Route(msgspec.Struct, frozen=True):
    """What a hop passes on, and where to."""

    prefix: str
    """Beginning of a request's path, such as ``/rpcduel.Shop/``; ``/`` for everything."""
    upstream: Address
    kind: str = ""
    """What goes there: ``grpc``, ``http`` (all else that speaks HTTP), or empty for both."""
    unary: tuple[str, ...] = ()
    """Paths of methods known to be unary, such as ``/rpcduel.Shop/Quote``; a hop may pass them on faster."""


class Hop(Protocol):
    """Something between client and service that passes calls on: a gateway, or the tap."""

    @property
    def name(self) -> str:
        """The public name, such as ``envoy``."""
        ...

    @property
    def carries(self) -> frozenset[str]:
        """Transports that pass through it, such as ``grpc`` and ``rest``; empty for every one."""
        ...

    @property
    def facts(self) -> Mapping[str, str]:
        """What the fairness sheet says: versions, processes, how connections go upstream."""
        ...

    def serve(self, routes: Sequence[Route], listen: Address) -> AbstractContextManager[Served]:
        """Pass calls on until the context ends; `Served.pids` are all processes whose CPU is its own.

        Connections upstream are ready, where the hop can do that, before it accepts any. Raises
        `AddressError` when the port is taken, `MissingPackageError` when its program is not installed,
        and `StackError` with the end of what it said when it does not start.
        """
        ...


class Client(Protocol):
    """One connection with a blocking API that is cooperative under gevent."""

    def unary(self, method: Method[Q, R]) -> Callable[[Q, float], R]:
        """Bind `method` once; the result takes the request and a timeout in seconds.

        It raises a `CallError` and never retries.
        """
        ...

    def stream(self, method: Method[Q, R]) -> Callable[[Iterable[Q], float], Replies[R]]:
        """Bind a method with streams once; the result takes the requests and a timeout in seconds.

        The timeout is for the whole call. A server stream takes one request, a client stream gives one reply.
        Requests are sent as fast as the peer takes them, while replies are read. An exception of `requests`
        ends the call and is raised from the replies. Raises `SchemaError` for a kind that is not carried.
        """
        ...

    def close(self) -> None:
        """Close the connection; may be called twice.

        The socket is closed on return, or some milliseconds later where the library leaves that to a thread.
        """
        ...


class Stack(Protocol):
    """A transport with a format."""

    @property
    def name(self) -> str:
        """The public name, such as ``grpc-protobuf``."""
        ...

    @property
    def multiplexes(self) -> bool:
        """Whether many calls can be in flight on one connection."""
        ...

    @property
    def wire(self) -> bool:
        """Whether calls leave the process; if not, `serve` must run in the caller's own process."""
        ...

    @property
    def tls(self) -> str:
        """What the fairness sheet says of TLS where `Options.tls` is given; empty for a stack without it.

        Such a stack raises `StackError` in `serve` and `connect` when it is asked for TLS.
        """
        ...

    @property
    def kinds(self) -> frozenset[Kind]:
        """Which calls it carries; the others are not applicable, and never emulated."""
        ...

    @property
    def facts(self) -> Facts:
        """What the fairness sheet says."""
        ...

    def codec(self, message: type[T]) -> Codec[T]:
        """How it writes a message as bytes, which are what counts as payload.

        Raises `SchemaError` naming message and field for what it cannot carry.
        """
        ...

    def serve(self, service: Service, address: Address, options: Options) -> AbstractContextManager[Served]:
        """Serve the methods of the kinds that it carries until the context ends.

        Raises `AddressError` when the port is taken, `SchemaError` where no method can be carried, and
        `StackError` when `options.tls` cannot be used.
        """
        ...

    def connect(self, address: Address, options: Options) -> Client:
        """Open a client; raises `Unavailable` here or at the first call when nobody listens.

        Also where the server speaks no TLS though it should, or its certificate is not to be trusted. Raises
        `StackError` when `options.tls` cannot be used.
        """
        ...
