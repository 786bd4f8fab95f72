"""Turns generated source into functions: the one place where text becomes code."""

from __future__ import annotations

import contextlib
import enum
import keyword
import linecache
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from stacks.codecs.fault import wrong
from stacks.errors import ProtocolError
from stacks.schema import Enumeration, Message

T = TypeVar("T")


@dataclass(frozen=True)
class Compiled(Generic[T]):
    """A codec: carries one message type."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes | memoryview], T]


class Source:
    """Python source under construction, with the objects that it names."""

    def __init__(self, title: str) -> None:
        """Start empty; `title` stands for the file name in tracebacks."""
        self._title = f"<{title}>"
        self._lines: list[str] = []
        self._depth = 0
        self._scope: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._count = 0

    def line(self, text: str) -> None:
        """Add a line at the present depth."""
        self._lines.append("    " * self._depth + text)

    @contextlib.contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent what is added meanwhile under `head`."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def name(self, thing: object) -> str:
        """Give the name by which the source reaches `thing`, always the same one."""
        if id(thing) not in self._names:
            name = f"_{len(self._names)}_{getattr(thing, '__name__', type(thing).__name__)}"
            self._names[id(thing)] = name if name.isidentifier() else f"_{len(self._names)}"
            self._scope[self._names[id(thing)]] = thing
        return self._names[id(thing)]

    def fresh(self) -> str:
        """Give the name of a new local variable."""
        self._count += 1
        return f"x{self._count}"

    def functions(self, *names: str) -> tuple[Callable[..., Any], ...]:
        """Compile everything and give the functions of these names."""
        text = "\n".join(self._lines) + "\n"
        linecache.cache[self._title] = (len(text), None, text.splitlines(keepends=True), self._title)
        exec(compile(text, self._title, "exec"), self._scope)  # noqa: S102 -- our own text, made from checked names
        return tuple(self._scope[name] for name in names)


def attribute(owner: str, name: str) -> str:
    """Write the reading of an attribute, whose name may be a keyword."""
    return f"getattr({owner}, {name!r})" if keyword.iskeyword(name) else f"{owner}.{name}"


def assignment(owner: str, name: str, value: str) -> str:
    """Write the setting of an attribute, whose name may be a keyword."""
    if keyword.iskeyword(name):
        return f"setattr({owner}, {name!r}, {value})"
    return f"{owner}.{name} = {value}"


def construction(source: Source, message: Message, values: Iterable[str]) -> str:
    """Write the making of a message from an expression for each field."""
    positional = set(message.cls.__match_args__)
    arguments = []
    for field, value in zip(message.fields, values, strict=True):
        if field.name in positional:
            arguments.append(value)
        elif keyword.iskeyword(field.name):
            arguments.append(f"**{{{field.name!r}: {value}}}")
        else:
            arguments.append(f"{field.name}={value}")
    return f"{source.name(message.cls)}({', '.join(arguments)})"


def number(source: Source, shape: Enumeration, member: str) -> str:
    """Write the number of an enum's member; a value of another enum or type raises when it runs."""
    value = f"{member}._value_"
    plain = all(key == found for key, found in shape.numbers.items())
    return value if plain else f"{source.name(shape.numbers)}[{value}]"


def _too_large(value: int) -> NoReturn:
    raise ValueError(f"{value} has too many bits")


def within(ints: range, source: Source, value: str, fail: Callable[[int], NoReturn] = _too_large) -> str:
    """Write an int; one that is not in `ints` is given to `fail`, which raises, when it runs."""
    known = value if value.isidentifier() else source.fresh()
    first = known if known == value else f"({known} := {value})"
    return f"({known} if {ints[0]} <= {first} <= {ints[-1]} else {source.name(fail)}({known}))"


def outside(ints: range, value: str) -> str:
    """Write the condition that an int is not in `ints`."""
    return f"not {ints[0]} <= {value} <= {ints[-1]}"


@contextlib.contextmanager
def guarded(
    source: Source, name: str, message: Message, translate: Callable[[Message, Any, Exception], ProtocolError]
) -> Iterator[None]:
    """Write the function `name`, of one argument ``value``, all of whose errors are `ProtocolError`."""
    with source.block(f"def {name}(value):"):
        with source.block("try:"):
            yield
        with source.block(f"except {source.name(ProtocolError)}:"):
            source.line("raise")
        with source.block("except Exception as error:"):
            source.line(f"raise {source.name(translate)}({source.name(message)}, value, error) from error")


class Members(dict[int, enum.Enum]):
    """The members of an enum by their numbers, for one field."""

    def __init__(self, where: str, shape: Enumeration) -> None:
        """Keep `where` for the error."""
        super().__init__(shape.members)
        self._where = where
        self._wanted = f"number of {shape.cls.__name__}"

    def __missing__(self, number: int) -> enum.Enum:
        """Refuse a number that no member has."""
        raise wrong(self._where, self._wanted, number)
