"""Hops by their names."""

from __future__ import annotations

import builtins
import sys

import pytest

from stacks import hops
from stacks.errors import MissingPackageError, UnknownStackError


def test_every_hop_knows_its_own_name():
    for name in hops.names():
        assert hops.find(name).name == name


def test_an_unknown_hop_is_named_with_a_guess():
    with pytest.raises(UnknownStackError, match=r"no hop 'pyton'; did you mean 'python'\?; hops are: "):
        hops.find("pyton")


def test_a_package_that_is_missing_is_named_with_a_remedy(monkeypatch):
    imported = builtins.__import__

    def without_h2(name, *arguments, **options):
        if name.partition(".")[0] == "hpack":
            raise ModuleNotFoundError("No module named 'hpack'", name="hpack")
        return imported(name, *arguments, **options)

    for module in ("stacks.hops.python.hop", "stacks.hops.python.front"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", without_h2)
    with pytest.raises(MissingPackageError, match=r"needs the package 'hpack'.*rpcduel\[gateways\]"):
        hops.find("python")
