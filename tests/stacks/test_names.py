import sys

import pytest

import stacks
from stacks.errors import MissingPackageError, StackError, UnknownStackError


@pytest.mark.parametrize("name", stacks.names())
def test_a_stack_is_found_by_its_name(name):
    assert stacks.find(name).name == name


def test_an_unknown_name_is_met_with_the_names_there_are():
    with pytest.raises(UnknownStackError, match=r"'thrifft'.*grpc-protobuf, grpc-msgpack, grpc-msgpack-map"):
        stacks.find("thrifft")


def without(monkeypatch, package):
    """Make `package` and our modules that import it look as if they had never been imported."""
    for module in sorted(sys.modules, reverse=True):  # packages after what is in them
        if module.partition(".")[0] == package or module.startswith(("stacks.transports.", "stacks.codecs.")):
            monkeypatch.delitem(sys.modules, module)
            parent, _, child = module.rpartition(".")
            if parent.startswith("stacks."):  # otherwise `from parent import child` finds it there
                monkeypatch.delattr(sys.modules[parent], child, raising=False)
    monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("grpc-protobuf", "grpc", "grpc"),
        ("tcp-msgpack", "msgpack", "msgpack"),
        ("memory-msgpack-map", "msgpack", "msgpack"),
        ("grpc-json-orjson", "orjson", "orjson"),
        ("graphql-json", "graphql", "graphql"),
        ("rest-json", "uvicorn", "rest"),
        ("rest-json", "httptools", "rest"),
        ("thrift-binary", "thriftpy2", "thrift"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch, name, package, extra):
    without(monkeypatch, package)
    with pytest.raises(MissingPackageError) as found:
        stacks.find(name)
    assert f"'{package}'" in str(found.value)
    assert f"pip install 'rpcduel[{extra}]'" in str(found.value)


def test_a_module_of_our_own_that_is_missing_is_no_package_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "stacks.transports.memory", None)
    with pytest.raises(StackError, match="cannot be loaded") as found:
        stacks.find("memory")
    assert "pip" not in str(found.value)


def test_a_stack_may_be_named_by_the_path_of_what_makes_it():
    assert stacks.find("stacks.transports.floor.stack:FloorStack").name == "floor"
    with pytest.raises(StackError, match="has no 'Nobody'"):
        stacks.find("stacks.transports.floor.stack:Nobody")
    with pytest.raises(StackError, match="there is no module 'no_such_module'"):
        stacks.find("no_such_module:stack")


@pytest.mark.parametrize("name", ["tcp-json", "grpc-json-msgspec", "grpc-protobuf"])
def test_a_package_that_other_stacks_need_may_be_missing(monkeypatch, name):
    without(monkeypatch, "orjson")
    without(monkeypatch, "msgpack")
    assert stacks.find(name).name == name
