from importlib import metadata

from hypothesis import given
from hypothesis import strategies as st

from harness import machine


def test_hardware_threads_of_a_core_stay_on_one_side():
    assert machine.halves([0, 1, 2, 3], ["0,2", "1,3", "0,2", "1,3"]) == ((0, 2), (1, 3))


def test_two_threads_of_one_core_are_parted_since_there_is_no_other():
    assert machine.halves([0, 1], ["0-1", "0-1"]) == ((0,), (1,))


def test_one_thread_cannot_be_shared_out():
    assert machine.halves([3], ["3"]) == ((), ())


@given(st.lists(st.integers(0, 7), min_size=1, max_size=16))
def test_every_core_is_on_one_side(names):
    cores = list(range(len(names)))
    clients, servers = machine.halves(cores, list(map(str, names)))
    if len(cores) > 1:
        assert clients
        assert servers
        assert sorted(clients + servers) == cores
    if len(set(names)) > 1:
        assert {names[core] for core in clients}.isdisjoint(names[core] for core in servers)


def test_this_machine_can_be_described():
    here = machine.look()
    assert here.cores >= 1
    assert here.memory > 2**20
    assert here.fingerprint == machine.look().fingerprint


def test_what_belongs_to_an_extra_need_not_be_installed(monkeypatch):
    version = metadata.version

    def without(name):
        if name in ("graphql-core", "orjson"):
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(machine.metadata, "version", without)
    found = machine.look().versions
    assert "grpcio" in found
    assert not {"graphql-core", "orjson"} & set(found)
