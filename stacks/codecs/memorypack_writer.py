"""Writes the half of a MemoryPack codec that turns messages into bytes."""

from __future__ import annotations

import struct

from stacks.codecs.compile import Source, attribute
from stacks.codecs.memorypack_layout import BYTE, INT32, layout, sequence, taken
from stacks.codecs.memorypack_run import INLINE, ByLength, Run, Text, contains_itself
from stacks.codecs.memorypack_values import deep, units
from stacks.schema import List, Map, Message, Nested, Optional, Scalar, Shape


class Writer:
    """Writes statements that ``put`` bytes; what they put together is put at once, by `flush`."""

    def __init__(self, source: Source, parts: dict[type, str]) -> None:
        """Write to `source`; `parts` has the ends of functions' names."""
        self._source = source
        self._parts = parts
        self._run = Run()

    def function(self, message: Message) -> None:
        """Write the function of `message`; ``left`` is how often a message may yet stand in another."""
        with self._source.block(f"def write_{self._parts[message.cls]}(value, put, left):"):
            if contains_itself(message):
                with self._source.block("if left < 0:"):
                    self._source.line(f"raise {self._source.name(deep)}({message.name!r})")
            self.message(message, "value", message.name, 0)
            self.flush()

    def message(self, message: Message, value: str, where: str, depth: int) -> None:
        """Put the message in a variable."""
        self._run.add(BYTE.codes, [str(len(message.fields))], where)
        for field in message.fields:
            given = attribute(value, field.name)
            if isinstance(field.shape, Optional) or layout(field.shape) is None:
                variable = self._source.fresh()
                self._source.line(f"{variable} = {given}")
                given = variable
            self._put(field.shape, given, f"{where}.{field.name}", depth)

    def flush(self) -> None:
        """Put what has come together so far."""
        run, self._run = self._run, Run()
        if run.text is not None:
            self._text(run, run.text)
        elif run.codes:
            self._pack(run.codes, run.names)

    def _put(self, shape: Shape, value: str, where: str, depth: int) -> None:
        fixed = layout(shape)
        if fixed is not None:
            self._run.add(fixed.codes, taken(self._source, shape, value, where), where)
            return
        match shape:
            case Optional(of=Nested() as of):
                self.flush()
                with self._source.block(f"if {value} is None:"):
                    self._source.line(r"put(b'\xff')")
                with self._source.block("else:"):
                    self._nested(of, value, where, depth)
                    self.flush()
            case Nested():
                self._nested(shape, value, where, depth)
            case Optional(of=List() | Map() as of):
                self._run.add(INT32.codes, [f"-1 if {value} is None else len({value})"], where)
                self.flush()
                with self._source.block(f"if {value} is not None:"):
                    self._items(of, value, where, depth)
            case List() | Map():
                self._run.add(INT32.codes, [f"len({value})"], where)
                self.flush()
                self._items(shape, value, where, depth)
            case _:
                if self._run.text is not None:
                    self.flush()
                self._run.text = Text(shape, value, where)

    def _nested(self, shape: Nested, value: str, where: str, depth: int) -> None:
        itself = contains_itself(shape.message)
        if depth < INLINE and not itself:
            self.message(shape.message, value, where, depth + 1)
            return
        self.flush()
        left = "left - 1" if itself else "left"
        self._source.line(f"write_{self._parts[shape.cls]}({value}, put, {left})")

    def _items(self, shape: List | Map, value: str, where: str, depth: int) -> None:
        """Put the items of a list or dict in a variable, whose count is put already."""
        item = self._source.fresh()
        if isinstance(shape, List):
            shapes, variables, every = [shape.of], [item], value
        else:
            shapes, variables = [shape.key, shape.of], [item, self._source.fresh()]
            every = f"{value}.items()"
        loop = f"for {', '.join(variables)} in {every}"
        if self._bulk(shapes, variables, value, where, loop):
            return
        with self._source.block(f"{loop}:"):
            for one, variable in zip(shapes, variables, strict=True):
                self._put(one, variable, where, depth)
            self.flush()

    def _bulk(self, shapes: list[Shape], variables: list[str], value: str, where: str, loop: str) -> bool:
        """Put items at once, where they are fixed."""
        layouts = [found for one in shapes if (found := layout(one)) is not None]
        if len(layouts) != len(shapes):
            return False
        item = sequence(*layouts)
        given = [
            each
            for one, variable in zip(shapes, variables, strict=True)
            for each in taken(self._source, one, variable, where)
        ]
        if len(item.codes) == 1:
            items = value if given == variables else f"[{given[0]} {loop}]"
            pack = self._source.name(struct.pack)
            self._source.line(f"put({pack}(f'<{{len({value})}}{item.codes}', *{items}))")
        elif shapes == [Scalar.UUID]:
            self._source.line(f"put(b''.join([{given[0]} {loop}]))")
        else:
            pack = self._source.name(item.struct.pack)
            self._source.line(f"put(b''.join([{pack}({', '.join(given)}) {loop}]))")
        return True

    def _pack(self, codes: str, given: list[str]) -> None:
        self._source.line(f"put({self._source.name(struct.Struct('<' + codes).pack)}({', '.join(given)}))")

    def _text(self, run: Run, text: Text) -> None:
        """Put a run with a text or bytes in it; those that are empty or null have a shorter header."""
        source, name = self._source, text.name
        data, length = source.fresh(), source.fresh()
        made = name if text.is_bytes else f"{name}.encode()"
        source.line(f"{data} = b'' if {name} is None else {made}" if text.optional else f"{data} = {made}")
        source.line(f"{length} = len({data})")
        header = [length]
        if not text.is_bytes:
            header = [f"~{length}", f"{length} if {length} == len({name}) else {source.name(units)}({name})"]
        packs = source.name(ByLength(run.codes + INT32.codes * len(header), text.after.codes, "pack"))
        whole = f"put({packs}[{length}]({', '.join([*run.names, *header, data, *text.after.names])}))"
        if text.is_bytes and not text.optional:
            source.line(whole)
            return
        with source.block(f"if {length}:"):
            source.line(whole)
        with source.block("else:"):
            empty = f"-1 if {name} is None else 0" if text.optional else "0"
            codes = run.codes + INT32.codes + text.after.codes
            self._pack(codes, [*run.names, empty, *text.after.names])
