"""Writes the half of a MemoryPack codec that turns bytes into messages."""

from __future__ import annotations

import struct

from stacks.codecs.compile import Source, construction
from stacks.codecs.fault import wrong
from stacks.codecs.memorypack_layout import BYTE, INT32, Layout, layout, made, names, sequence
from stacks.codecs.memorypack_run import INLINE, ByLength, Run, Text, contains_itself
from stacks.codecs.memorypack_values import (
    agree,
    cut,
    deep,
    missing,
    other_bytes,
    other_text,
    twice,
    uncountable,
    unlike,
)
from stacks.schema import Field, List, Map, Message, Nested, Optional, Shape

_NULL = 255


class Reader:
    """Writes statements that read ``data`` at ``at``, up to ``end``, and set variables.

    Fixed values that follow each other are unpacked at once, by `_flush`; what is made of them comes after.
    """

    def __init__(self, source: Source, parts: dict[type, str]) -> None:
        """Write to `source`; `parts` has the ends of functions' names."""
        self._source = source
        self._parts = parts
        self._run = Run()
        self._then: list[str] = []
        self._known = 0

    def functions(self, message: Message) -> None:
        """Write two functions that give a message and the place after it; ``left`` is as in writing.

        ``other_…`` also reads what an older writer left out, and says what is wrong with an object.
        """
        part = self._parts[message.cls]
        with self._source.block(f"def read_{part}(data, at, end, left, where):"):
            if contains_itself(message):
                with self._source.block("if left < 0:"):
                    self._source.line(f"raise {self._source.name(deep)}({message.name!r})")
            self.message(message, "value", None, 0)
            self._source.line("return value, at")
        with self._source.block(f"def other_{part}(data, at, end, left, where):"):
            self._other(message)

    def message(self, message: Message, into: str, where: str | None, depth: int) -> None:
        """Read a message into a variable; its place is in the variable ``where`` if it is not given."""
        start = _start(message)
        with self._source.block(f"if end - at < {start} or data[at] != {len(message.fields)}:"):
            place = "where" if where is None else repr(where)
            other = f"other_{self._parts[message.cls]}"
            self._source.line(f"{into}, at = {other}(data, at, end, left, {place})")
        with self._source.block("else:"):
            self._known = start
            self._run.add("x", [], where or message.name)
            variables = self._fields(message.fields, where or message.name, depth)
            self._source.line(f"{into} = {construction(self._source, message, variables)}")

    def _fields(self, fields: tuple[Field, ...], where: str, depth: int) -> list[str]:
        variables = [self._source.fresh() for _ in fields]
        for field, variable in zip(fields, variables, strict=True):
            self._read(field.shape, variable, f"{where}.{field.name}", depth)
        self._flush()
        return variables

    def _other(self, message: Message) -> None:
        source, fields = self._source, message.fields
        with source.block("if at == end:"):
            source.line(f"raise {source.name(cut)}(((where, 1),), 0)")
        source.line("count = data[at]")
        with source.block(f"if count > {len(fields)}:"):
            source.line(f"raise {source.name(unlike)}(where, {message.name!r}, count, {len(fields)})")
        source.line("at += 1")
        needed = max((place for place, field in enumerate(fields, 1) if field.default is None), default=0)
        if needed:
            named = tuple(f"{message.name}.{field.name}" for field in fields)
            with source.block(f"if count < {needed}:"):
                source.line(f"raise {source.name(missing)}({source.name(named)}[count], count)")
        variables = self._fields(fields[:needed], message.name, INLINE)
        for place, field in enumerate(fields[needed:], needed):
            with source.block(f"if count > {place}:"):
                variables += self._fields((field,), message.name, INLINE)
            with source.block("else:"):
                source.line(f"{variables[-1]} = {source.name(field.default)}()")
        source.line(f"return {construction(source, message, variables)}, at")

    def _read(self, shape: Shape, into: str, where: str, depth: int) -> None:
        fixed = layout(shape)
        if fixed is not None:
            self._fixed(shape, fixed, into, where)
            return
        match shape:
            case Optional(of=Nested() as of):
                self._flush()
                with self._source.block(f"if at < end and data[at] == {_NULL}:"):
                    self._source.line(f"{into} = None")
                    self._source.line("at += 1")
                with self._source.block("else:"):
                    self._nested(of, into, where, depth)
            case Nested():
                self._flush()
                self._nested(shape, into, where, depth)
            case Optional(of=List() | Map() as of):
                count = self._count(where)
                with self._source.block(f"if {count} == -1:"):
                    self._source.line(f"{into} = None")
                with self._source.block("else:"):
                    self._items(of, into, count, where, depth)
            case List() | Map():
                self._items(shape, into, self._count(where), where, depth)
            case _:
                if self._run.text is not None:
                    self._flush()
                self._run.text = Text(shape, into, where)

    def _fixed(self, shape: Shape, fixed: Layout, into: str, where: str) -> None:
        found = names(self._source, shape)
        value = made(self._source, shape, found, where)
        self._run.add(fixed.codes, found if value != found[0] else [into], where)
        if value != found[0]:
            self._then.append(f"{into} = {value}")

    def _nested(self, shape: Nested, into: str, where: str, depth: int) -> None:
        itself = contains_itself(shape.message)
        if depth < INLINE and not itself:
            self.message(shape.message, into, where, depth + 1)
            return
        left = "left - 1" if itself else "left"
        self._source.line(f"{into}, at = read_{self._parts[shape.cls]}(data, at, end, {left}, {where!r})")

    def _count(self, where: str) -> str:
        count = self._source.fresh()
        self._run.add(INT32.codes, [count], where)
        self._flush()
        return count

    def _items(self, shape: List | Map, into: str, count: str, where: str, depth: int) -> None:
        """Read the items of a list or dict; that the bytes may hold so many is known before any is made."""
        source = self._source
        shapes = [shape.of] if isinstance(shape, List) else [shape.key, shape.of]
        layouts = [found for one in shapes if (found := layout(one)) is not None]
        bulk = sequence(*layouts) if len(layouts) == len(shapes) else None
        least = bulk.size if bulk else sum(_least(one) for one in shapes)
        with source.block(f"if {count} < 0 or {count} * {least} > end - at:"):
            source.line(f"raise {source.name(uncountable)}({where!r}, {count}, end - at)")
        if bulk:
            self._bulk(shapes, bulk, into, count, where)
        else:
            self._loop(shapes, into, count, where, depth)
        if len(shapes) > 1:
            with source.block(f"if len({into}) != {count}:"):
                source.line(f"raise {source.name(twice)}({where!r})")

    def _bulk(self, shapes: list[Shape], item: Layout, into: str, count: str, where: str) -> None:
        """Read fixed items at once."""
        source = self._source
        found = [names(source, one) for one in shapes]
        values = [made(source, one, each, where) for one, each in zip(shapes, found, strict=True)]
        flat = [name for each in found for name in each]
        if len(item.codes) == 1:
            every = f"{source.name(struct.unpack_from)}(f'<{{{count}}}{item.codes}', data, at)"
            made_of = f"list({every})" if values == flat else f"[{values[0]} for {flat[0]} in {every}]"
        else:
            unpack = source.name(item.struct.iter_unpack)
            every = f"{unpack}(data[at:at + {count} * {item.size}])"
            made_of = f"{': '.join(values)} for {', '.join(flat)}, in {every}"
            made_of = f"[{made_of}]" if len(shapes) == 1 else f"{{{made_of}}}"
        source.line(f"{into} = {made_of}")
        source.line(f"at += {count} * {item.size}")

    def _loop(self, shapes: list[Shape], into: str, count: str, where: str, depth: int) -> None:
        source, one = self._source, len(shapes) == 1
        append = source.fresh()
        source.line(f"{into} = {'[]' if one else '{}'}")
        if one:
            source.line(f"{append} = {into}.append")
        with source.block(f"for _ in range({count}):"):
            variables = [source.fresh() for _ in shapes]
            for shape, variable in zip(shapes, variables, strict=True):
                self._read(shape, variable, where, depth)
            self._flush()
            source.line(f"{append}({variables[0]})" if one else f"{into}[{variables[0]}] = {variables[1]}")

    def _flush(self) -> None:
        """Read what has come together so far."""
        run, self._run = self._run, Run()
        then, self._then = self._then, []
        if run.text is None:
            self._unpack(run)
        else:
            self._text(run, run.text)
        for line in then:
            self._source.line(line)

    def _unpack(self, run: Run) -> None:
        """Read the fixed values of a run; that the first ones of a message are there is known already."""
        size = struct.calcsize("<" + run.codes)
        if self._known:
            assert size == self._known
            self._known = 0
        elif size:
            self._demand(str(size), run.places)
        if run.names:
            unpack = self._source.name(struct.Struct("<" + run.codes).unpack_from)
            self._source.line(f"{', '.join(run.names)}, = {unpack}(data, at)")
        if size:
            self._source.line(f"at += {size}")

    def _demand(self, size: str, places: list[tuple[str, int]], longer: str = "0") -> None:
        with self._source.block(f"if end - at < {size}:"):
            name = self._source.name
            self._source.line(f"raise {name(cut)}({name(tuple(places))}, end - at, {longer})")

    def _text(self, run: Run, text: Text) -> None:
        """Read a run with a text or bytes in it."""
        source, length, counted = self._source, self._source.fresh(), self._source.fresh()
        run.text = None
        run.add(INT32.codes, [length], text.where)
        self._unpack(run)
        header = "" if text.is_bytes else INT32.codes
        with source.block(f"if {length} >= 0:" if text.is_bytes else f"if {length} < -1:"):
            if not text.is_bytes:
                source.line(f"{length} = ~{length}")
            size = f"{length} + {struct.calcsize('<' + header + text.after.codes)}"
            self._demand(size, [(text.where, len(header) * 4), *text.after.places], length)
            found = [counted] * len(header) + [text.name, *text.after.names]
            unpack = source.name(ByLength(header, text.after.codes, "unpack_from"))
            source.line(f"{', '.join(found)}, = {unpack}[{length}](data, at)")
            source.line(f"at += {size}")
            if not text.is_bytes:
                self._decode(text, length, counted)
        with source.block("else:"):
            other = source.name(other_bytes if text.is_bytes else other_text)
            given = f"data, at, end, {length}, {text.where!r}, optional={text.optional}"
            source.line(f"{text.name}, at = {other}({given})")
            self._unpack(text.after)

    def _decode(self, text: Text, length: str, counted: str) -> None:
        source, name = self._source, text.name
        with source.block("try:"):
            source.line(f"{name} = {name}.decode()")
        with source.block("except ValueError as error:"):
            source.line(f"raise {source.name(wrong)}({text.where!r}, 'UTF-8 text', {name}) from error")
        with source.block(f"if not len({name}) == {counted} == {length}:"):
            source.line(f"{source.name(agree)}({name}, {counted}, {text.where!r})")


def _start(message: Message) -> int:
    """Give the bytes of a message from its header to the first count, text or message in it."""
    size = BYTE.size
    for field in message.fields:
        fixed = layout(field.shape)
        if fixed is None:
            return size if _is_message(field.shape) else size + INT32.size
        size += fixed.size
    return size


def _least(shape: Shape) -> int:
    """Give the bytes that a value takes at least."""
    fixed = layout(shape)
    if fixed is not None:
        return fixed.size
    return BYTE.size if _is_message(shape) else INT32.size


def _is_message(shape: Shape) -> bool:
    return isinstance(shape.of if isinstance(shape, Optional) else shape, Nested)
