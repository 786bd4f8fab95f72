"""Documents that are sent once and named by their hash from then on."""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path

import pytest

import stacks
from stacks.base import Address, Options
from stacks.codecs import graphql_schema
from stacks.testing.oracle import LONG, Ask, Told
from stacks.transports import memo
from stacks.transports.graphql import engine

sys.path.insert(0, str(Path(__file__).parent))

from documents import CACHED, TELL, UNCACHED, persisted, refused


class TestPersistedQueries:
    def test_a_document_is_asked_for_once(self, ask, seen):
        request = persisted(TELL)
        status, _, tree = ask(request)
        assert (status, refused(tree)) == (200, ("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"))
        assert seen == {}
        expected = {"data": {"tell": {"id": 1, "text": "a"}}}
        assert ask(request | {"query": TELL})[2] == expected
        assert ask(request)[2] == expected
        assert seen == {1: 2}

    def test_a_hash_of_another_document_is_refused(self, ask, seen):
        request = persisted("{service}", query=TELL)
        status, _, tree = ask(request)
        assert (status, refused(tree)) == (400, ("INVALID_ARGUMENT", "provided sha does not match query"))
        assert refused(ask(persisted("{service}"))[2])[0] == "PERSISTED_QUERY_NOT_FOUND"
        assert seen == {}

    def test_an_invalid_document_is_not_kept(self, ask):
        assert ask(persisted("{nothing}", query="{nothing}"))[0] == 400
        assert refused(ask(persisted("{nothing}"))[2])[0] == "PERSISTED_QUERY_NOT_FOUND"

    @pytest.mark.parametrize(
        "broken",
        [{"version": 2, "sha256Hash": "0" * 64}, {"sha256Hash": "0" * 64}, {"version": 1}, [], "x", 1],
    )
    def test_other_versions_are_refused(self, ask, broken):
        status, _, tree = ask({"query": TELL, "extensions": {"persistedQuery": broken}})
        assert (status, refused(tree)[0]) == (400, "INVALID_ARGUMENT")

    def test_other_extensions_are_ignored(self, ask):
        assert ask({"query": TELL, "extensions": {"tracing": True}})[0] == 200

    def test_a_hash_that_is_no_text_is_refused(self, ask):
        assert ask(persisted("", digest=["x"]))[0] == 400

    def test_a_server_without_a_cache_says_so(self, serve, offered):
        served = stacks.find(UNCACHED).serve(offered, Address(), Options())
        with served as found:
            connection = http.client.HTTPConnection(found.address.host, found.address.port, timeout=LONG)
            connection.request(
                "POST", "/graphql", json.dumps(persisted(TELL)), {"content-type": "application/json"}
            )
            tree = json.loads(connection.getresponse().read())
            connection.close()
        assert refused(tree) == ("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")

    @pytest.mark.parametrize(("name", "parsed"), [(CACHED, 1), (UNCACHED, 4)])
    def test_how_often_a_document_is_parsed(self, offered, seen, monkeypatch, opened, name, parsed):
        stack, texts = stacks.find(name), []
        served = opened.enter_context(stack.serve(offered, Address(), Options()))
        parse = engine.parse

        def count(text, **bounds):
            texts.append(text)
            return parse(text, **bounds)

        monkeypatch.setattr(engine, "parse", count)
        for number in range(2):
            client = stack.connect(served.address, Options())
            opened.callback(client.close)
            tell = client.unary(offered["Tell"])
            for turn in range(2):
                assert tell(Ask(2 * number + turn, "x"), LONG) == Told(2 * number + turn, "x")
        assert texts == [graphql_schema.document(offered["Tell"])] * parsed
        assert seen == dict.fromkeys(range(4), 1)

    def test_what_was_forgotten_is_sent_again(self, serve, connect, offered, seen, monkeypatch):
        monkeypatch.setattr(memo, "_ENTRIES", 1)
        client = connect(serve(offered))
        tell, refuse = client.unary(offered["Tell"]), client.unary(offered["Grow"])
        for number in range(3):
            assert tell(Ask(number, "x"), LONG) == Told(number, "x")
            assert refuse(Ask(2, ""), LONG) == Told(2, "xx")
        assert seen == dict.fromkeys(range(3), 1)
