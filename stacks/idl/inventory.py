"""What a service consists of, in the order in which a reader meets it."""

from __future__ import annotations

from dataclasses import dataclass

from stacks import schema
from stacks.base import Service
from stacks.errors import SchemaError
from stacks.schema import Enumeration, Message, walk


@dataclass(frozen=True)
class Inventory:
    """The parts of a service."""

    package: str
    name: str
    """The service's own, without its package."""
    messages: tuple[Message, ...]
    """Each once, in the order of their first mention: by the methods, then by each other."""
    enums: tuple[Enumeration, ...]

    @property
    def types(self) -> tuple[type, ...]:
        """Classes of all messages and enums."""
        return (*(message.cls for message in self.messages), *(each.cls for each in self.enums))


def take(service: Service) -> Inventory:
    """List the parts of `service`; raises `SchemaError` for two types of the same name."""
    package, _, name = service.name.rpartition(".")
    found: dict[type, Message] = {}
    for method in service.methods:
        for root in (method.request, method.reply):
            found.update({part.cls: part for part in schema.describe(root).parts() if part.cls not in found})
    shapes = [shape for each in found.values() for field in each.fields for shape in walk(field.shape)]
    enums = dict.fromkeys(shape.cls for shape in shapes if isinstance(shape, Enumeration))
    taken = Inventory(package, name, tuple(found.values()), tuple(Enumeration(cls) for cls in enums))
    _refuse_namesakes(taken)
    return taken


def _refuse_namesakes(taken: Inventory) -> None:
    types: dict[str, type] = {}
    for cls in taken.types:
        if types.setdefault(cls.__name__, cls) is not cls:
            raise SchemaError(
                f"service {taken.name} has two types called {cls.__name__} "
                f"({types[cls.__name__].__module__} and {cls.__module__}); rename one"
            )


def note(thing: object) -> str:
    """Give the first line of what the author of a class or function wrote about it, or nothing."""
    text = vars(thing).get("__doc__") if isinstance(thing, type) else getattr(thing, "__doc__", None)
    if not isinstance(text, str):
        return ""
    return " ".join(text.strip().partition("\n")[0].split())
