"""Services and messages of the user's own: where they are found, and what is said when they are not."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from stacks import service
from stacks.base import Kind
from stacks.errors import SchemaError
from stacks.shop import Order, order

MODULE = "acme_to_be_loaded"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a module of the user's own into the working directory; it is forgotten after the test."""
    monkeypatch.chdir(tmp_path)

    def write(text, name=MODULE):
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == MODULE]:
        del sys.modules[name]


def said(path):
    with pytest.raises(SchemaError) as caught:
        service.load(path)
    return str(caught.value)


def test_a_lone_message_is_a_service_that_gives_it_back():
    found = service.load("stacks.shop:Order")
    assert (found.name, [method.name for method in found.methods]) == ("rpcduel.OrderEcho", ["Echo"])
    echo = found["Echo"]
    assert (echo.request, echo.reply, echo.kind, echo.service) == (Order, Order, Kind.UNARY, found.name)
    value = order("small")
    assert echo.handler(value) is value


def test_a_lone_message_that_cannot_be_carried_is_named(own):
    own("import msgspec\nclass Bad(msgspec.Struct):\n    tags: set[str]\n")
    assert said(f"{MODULE}:Bad").startswith("Bad.tags is set; allowed are: ")


def test_a_time_without_zone_is_named_when_the_service_is_read(own):
    own(
        "import datetime, typing, msgspec\n"
        "class At(msgspec.Struct):\n    time: typing.Annotated[datetime.datetime, msgspec.Meta(tz=False)]\n"
        "class Clock:\n    def set(self, at: At) -> At:\n        return at\n"
    )
    assert said(f"{MODULE}:Clock").startswith("At.time is a datetime without time zone; allowed are: ")


def test_modules_of_the_working_directory_are_found_and_it_is_forgotten(own):
    own("import msgspec\nclass Order(msgspec.Struct):\n    id: int\n")
    before = [*sys.path]
    assert service.load(f"{MODULE}:Order").name == f"{MODULE}.OrderEcho"
    assert sys.path == before


def test_packages_of_the_working_directory_are_found(own):
    own(
        "PACKAGE = 'acme.v2'\nimport msgspec\nclass Order(msgspec.Struct):\n    id: int\n", f"{MODULE}/orders"
    )
    assert service.load(f"{MODULE}.orders:Order").name == "acme.v2.OrderEcho"


def test_our_programs_find_it_after_all_that_is_installed(own, tmp_path):
    own("import colorsys, msgspec\nclass Order(msgspec.Struct):\n    id: int\n")
    own("raise AssertionError\n", "colorsys")
    own("raise AssertionError\n", "stacks/__init__")
    script = f"from stacks import service; print(service.load('{MODULE}:Order').name)"
    command = [sys.executable, "-P", "-c", script]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (found.stdout, found.stderr) == (f"{MODULE}.OrderEcho\n", "")


def test_a_module_that_is_not_there_is_said_with_where_it_was_sought(own, tmp_path):
    assert said(f"{MODULE}:Orders") == (
        f"service '{MODULE}:Orders': there is no module '{MODULE}' in {tmp_path} or among what is installed; "
        f"start rpcduel where {MODULE} stands, or set PYTHONPATH"
    )


def test_a_part_of_a_package_that_is_not_there_is_named(own):
    own("", f"{MODULE}/__init__")
    assert f"there is no module '{MODULE}.orders' in " in said(f"{MODULE}.orders:Orders")


def test_a_working_directory_that_is_gone_is_no_obstacle(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert service.load(service.DEFAULT).name == "rpcduel.Shop"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (
            "import msgspec\n\nimport no_such_package_of_acme\n",
            3,
            "ModuleNotFoundError: No module named 'no_such",
        ),
        ("def half():\n    return 1 / 0\n\n\nhalf()\n", 2, "ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')\n", 2, "JSONDecodeError: "),
        ("x = 1\ny = = 2\n", 2, "SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
    ],
)
def test_a_module_that_fails_is_named_with_the_line(own, text, line, what):
    file = own(text)
    found = said(f"{MODULE}:Orders")
    assert found.startswith(f"service '{MODULE}:Orders': {file}:{line} fails while it is imported: {what}")


def test_a_name_that_is_not_there_is_said(own):
    own("class Order:\n    pass\n")
    assert said(f"{MODULE}:Orders") == f"service '{MODULE}:Orders': module '{MODULE}' has no 'Orders'"


def test_a_service_that_fails_to_start_is_said():
    class Broken:
        def __init__(self):
            raise RuntimeError("no database")

    with pytest.raises(
        SchemaError, match="Broken cannot be made without arguments: RuntimeError: no database"
    ):
        service.read(Broken)


class Price(msgspec.Struct):
    amount: int


def test_two_methods_of_one_name_on_the_wire_are_refused():
    class Prices:
        def get_price(self, price: Price) -> Price:
            return price

        def getPrice(self, price: Price) -> Price:  # noqa: N802 -- the same on the wire is the point
            return price

    with pytest.raises(SchemaError, match="service Prices has two methods called GetPrice; rename one"):
        service.read(Prices)


@pytest.mark.parametrize("package", ["", "acme v1", "acme/v1", ".acme", "1acme", "acme-v1"])
def test_a_package_that_is_no_name_is_refused(package):
    cls = type("Prices", (), {"package": package, "get": lambda _self, _price: None})
    with pytest.raises(
        SchemaError, match=r"service Prices: its package .* is no name; set it to one such as"
    ):
        service.read(cls)


def test_annotations_that_cannot_be_read_are_said():
    class Odd:
        def ask(self, price: Price) -> Price:
            return price

    Odd.ask.__annotations__ = {"price": "Price[", "return": Price}
    with pytest.raises(SchemaError, match=r"Odd\.ask: an annotation cannot be read: "):
        service.read(Odd)
