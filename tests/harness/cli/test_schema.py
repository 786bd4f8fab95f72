"""`rpcduel schema`: which service and format it takes, where it writes, and what it says otherwise."""

import json

import pytest

from harness.cli import main
from stacks import idl, service

ORDERS = """
import msgspec

class Order(msgspec.Struct):
    id: int
    tags: dict[bool, str] = {}

class Orders:
    package = "acme.v1"

    def place(self, order: Order) -> Order:
        return order
"""


@pytest.fixture
def orders(tmp_path, monkeypatch):
    """A working directory with a module of the user's own."""
    (tmp_path / "acme_orders_to_export.py").write_text(ORDERS)
    monkeypatch.chdir(tmp_path)
    return "acme_orders_to_export"


def test_the_default_service_is_printed_as_proto(capsys):
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == idl.render(service.load(service.DEFAULT), "proto")


@pytest.mark.parametrize("form", idl.FORMATS)
def test_every_format_is_printed(capsys, form):
    assert main(["schema", "--format", form]) == 0
    assert capsys.readouterr().out == idl.render(service.load(service.DEFAULT), form)


@pytest.mark.parametrize(("ending", "form"), idl.ENDINGS.items())
def test_the_ending_of_the_file_says_the_format(tmp_path, capsys, ending, form):
    file = tmp_path / f"shop{ending}"
    assert main(["schema", "-o", str(file)]) == 0
    assert file.read_text() == idl.render(service.load(service.DEFAULT), form)
    assert capsys.readouterr() == ("", f"{file} written\n")


def test_a_format_stands_above_the_ending(tmp_path):
    file = tmp_path / "shop.txt"
    assert main(["schema", "--format", "thrift", "-o", str(file)]) == 0
    assert "service Shop {" in file.read_text()


def test_an_ending_that_says_nothing_is_met_with_the_formats(capsys, tmp_path):
    assert main(["schema", "-o", str(tmp_path / "shop.txt")]) == 2
    said = capsys.readouterr().err
    assert (
        "shop.txt: the ending says no format; add --format proto, thrift, graphql, csharp, jsonschema" in said
    )


def test_a_users_own_service_is_found_in_the_working_directory(orders, capsys):
    assert main(["schema", "--format", "thrift", "--service", f"{orders}:Orders"]) == 0
    assert "map<bool, string> tags" in capsys.readouterr().out


def test_a_message_alone_is_echoed(orders, capsys):
    assert main(["schema", "--format", "csharp", "--message", f"{orders}:Order"]) == 0
    assert "ValueTask<Order> Echo(Order request" in capsys.readouterr().out


def test_what_a_format_cannot_carry_is_said_without_a_trace(orders, capsys):
    assert main(["schema", "--format", "jsonschema", "--message", f"{orders}:Order"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rpcduel: Order.tags: json has no dict with keys of bool")
    assert "Traceback" not in said


def test_service_and_message_exclude_each_other(capsys):
    assert main(["schema", "--service", "a:B", "--message", "a:C"]) == 2
    assert "--service and --message exclude each other; give one" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named(capsys, tmp_path):
    file = tmp_path / "missing" / "shop.proto"
    assert main(["schema", "-o", str(file)]) == 2
    assert (
        "shop.proto: cannot be written: No such file or directory; choose another place"
        in capsys.readouterr().err
    )


def test_json_schema_is_json(capsys):
    assert main(["schema", "--format", "jsonschema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "rpcduel.Shop"


def test_the_formats_of_the_command_are_those_there_are():
    from harness.cli import schema

    assert tuple(idl.FORMATS) == schema._FORMATS
    assert set(idl.ENDINGS.values()) == set(idl.FORMATS)
