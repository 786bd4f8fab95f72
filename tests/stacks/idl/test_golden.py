"""How services look in every format: the default one, and one with every kind of field and call."""

import os
import sys
from pathlib import Path

import pytest

from stacks import idl, service
from stacks.errors import MissingPackageError, SchemaError
from stacks.shop import Shop
from stacks.testing.oracle import Oracle

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("offered", [Shop, Oracle])
@pytest.mark.parametrize(("ending", "form"), idl.ENDINGS.items())
def test_how_it_looks(offered, ending, form):
    """With UPDATE_GOLDEN=1 the golden files are written anew."""
    text = idl.render(service.read(offered), form)
    golden = GOLDEN / f"{offered.__name__.lower()}{ending}"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_an_unknown_format_is_met_with_those_there_are():
    with pytest.raises(
        SchemaError, match="no format 'avro'; formats are: proto, thrift, graphql, csharp, json"
    ):
        idl.render(service.read(Shop), "avro")


@pytest.mark.parametrize(
    ("form", "package", "extra"), [("graphql", "graphql", "graphql"), ("proto", "google", "grpc")]
)
def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch, form, package, extra):
    users = ("stacks.idl.", "stacks.codecs.graphql", "stacks.codecs.descriptor", f"{package}.")
    for module in [module for module in sys.modules if module.startswith(users)]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingPackageError, match=rf"format '{form}' needs the package '{package}'"
    ) as caught:
        idl.render(service.read(Shop), form)
    assert f"pip install 'rpcduel[{extra}]'" in str(caught.value)
