"""A service in the schema languages of others: names of formats, loaded when they are asked for."""

from __future__ import annotations

import importlib

from stacks.base import Service
from stacks.errors import MissingPackageError, SchemaError

FORMATS = {
    "proto": "stacks.idl.proto",
    "thrift": "stacks.idl.thrift",
    "graphql": "stacks.idl.graphql",
    "csharp": "stacks.idl.csharp",
    "jsonschema": "stacks.idl.jsonschema",
}
"""Format → the module whose ``render`` writes a service in it."""

ENDINGS = {
    ".proto": "proto",
    ".thrift": "thrift",
    ".graphql": "graphql",
    ".cs": "csharp",
    ".json": "jsonschema",
}
"""How a file's name ends → the format that belongs into it."""

_EXTRAS = {"google": "grpc", "graphql": "graphql"}
"""Package that is imported → the extra of rpcduel that brings it."""


def render(service: Service, form: str) -> str:
    """Write `service` in the format `form`; ends with a newline.

    Raises `SchemaError` for an unknown format, and for what the format cannot carry, naming message and
    field; `MissingPackageError` says what to install.
    """
    if form not in FORMATS:
        raise SchemaError(f"there is no format {form!r}; formats are: {', '.join(FORMATS)}")
    try:
        module = importlib.import_module(FORMATS[form])
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        raise MissingPackageError(
            f"format {form!r} needs the package {package!r}, which is not installed; "
            f"try: pip install 'rpcduel[{_EXTRAS[package]}]'"
        ) from error
    text: str = module.render(service)
    return text
