"""GraphQL over HTTP as foreign clients meet it; what every stack keeps is in the contract."""

from __future__ import annotations

import sys
from pathlib import Path

import graphql as library
import pytest

from stacks.codecs import graphql_schema

sys.path.insert(0, str(Path(__file__).parent))

from documents import RESPONSE, TELL, refused


class TestForeignClients:
    def test_a_document_with_literals(self, ask):
        assert ask({"query": TELL}) == (200, RESPONSE, {"data": {"tell": {"id": 1, "text": "a"}}})

    def test_variables_and_the_name_of_an_operation(self, ask):
        text = "query A{service} mutation B($ask:AskInput!){tell(input:$ask){text}}"
        request = {"query": text, "variables": {"ask": {"id": 1, "text": "ä"}}}
        assert ask(request | {"operationName": "B"})[2] == {"data": {"tell": {"text": "ä"}}}
        assert ask(request | {"operationName": "A"})[2] == {"data": {"service": "contract.Oracle"}}
        assert refused(ask(request)[2])[1].startswith("Must provide operation name")
        assert refused(ask(request | {"operationName": "C"})[2])[1] == "Unknown operation named 'C'."

    def test_nulls_for_what_may_be_left_out(self, ask):
        request = {"query": TELL, "variables": None, "operationName": None, "extensions": None}
        assert ask(request)[0] == 200

    @pytest.mark.parametrize(
        ("accept", "media"),
        [
            ("application/json", "application/json"),
            ("application/json; charset=utf-8", "application/json"),
            (f"{RESPONSE}, application/json;q=0.9", RESPONSE),
            ("*/*", RESPONSE),
        ],
    )
    def test_the_media_type_is_the_one_asked_for(self, ask, accept, media):
        assert ask({"query": TELL}, accept=accept)[:2] == (200, media)

    def test_a_client_of_old_learns_of_errors_from_the_body_alone(self, ask):
        invalid = {"query": "{nothing}"}
        assert ask(invalid, accept="application/json")[0] == 200
        assert ask(invalid)[0] == 400
        assert ask(b"{", accept="application/json")[0] == 400

    def test_introspection_gives_the_schema(self, ask, offered):
        status, _, tree = ask({"query": library.get_introspection_query(specified_by_url=True)})
        assert status == 200
        known = library.print_schema(library.build_client_schema(tree["data"]))
        assert known + "\n" == graphql_schema.sdl(offered)

    def test_a_failure_leaves_the_other_calls_of_its_document_alone(self, ask, seen):
        text = (
            'mutation{a:tell(input:{id:1,text:"x"}){id} '
            'b:refuse(input:{id:2,text:"NOT_FOUND"}){id} c:crash(input:{id:3,text:"oh"}){id}}'
        )
        status, _, tree = ask({"query": text})
        assert status == 200
        assert tree["data"] == {"a": {"id": 1}, "b": None, "c": None}
        found = [(error["path"], error["extensions"]["code"], error["message"]) for error in tree["errors"]]
        assert found == [(["b"], "NOT_FOUND", "refused no. 2"), (["c"], "UNKNOWN", "ValueError: oh")]
        assert seen == {1: 1, 2: 1, 3: 1}
