"""Requests, documents and variables that the server refuses."""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path

import msgspec
import pytest

from stacks import service
from stacks.base import Kind, Method, Options, Service
from stacks.codecs import graphql_schema
from stacks.errors import Remote
from stacks.testing.oracle import LONG
from stacks.transports.graphql.rules import ALIASES

sys.path.insert(0, str(Path(__file__).parent))

from documents import RESPONSE, TELL, refused


class Even(msgspec.Struct):
    number: int

    def __post_init__(self):
        if self.number % 2:
            raise LookupError(f"{self.number} is odd")


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (b"", "cannot read the request"),
            (b"{", "cannot read the request"),
            (b"\xff\xfe", "cannot read the request"),
            (b'{"query":NaN}', "NaN is no JSON"),
            (b'{"query":"\\ud800"}', "surrogates not allowed"),
            (b"[" * 100_000, "cannot read the request"),
            (b'{"variables":' * 100_000, "cannot read the request"),
            (b"[]", "a request is a JSON object"),
            (b"{}", "'query' must be the text of a document"),
            (b'{"query":1}', "'query' must be the text of a document"),
            (b'{"query":"{service}","variables":[]}', "'variables' must be a JSON object"),
            (b'{"query":"{service}","extensions":[]}', "'extensions' must be a JSON object"),
            (b'{"query":"{service}","operationName":5}', "'operationName' must be a JSON string"),
        ],
    )
    def test_what_is_no_request(self, ask, body, text):
        status, media, tree = ask(body)
        assert (status, media) == (400, RESPONSE)
        code, message = refused(tree)
        assert code == "INVALID_ARGUMENT"
        assert text in message
        assert ask({"query": TELL})[0] == 200

    @pytest.mark.parametrize(
        ("text", "code", "message"),
        [
            ("", "INVALID_ARGUMENT", "Syntax Error: Unexpected <EOF>."),
            ("{service", "INVALID_ARGUMENT", "Syntax Error: Expected Name, found <EOF>."),
            ("{nothing}", "INVALID_ARGUMENT", "Cannot query field 'nothing' on type 'Query'."),
            ("mutation{nothing}", "UNIMPLEMENTED", "Cannot query field 'nothing' on type 'Mutation'."),
            (TELL.replace("text}", "colour}"), "INVALID_ARGUMENT", "Cannot query field 'colour' on type"),
            (TELL.replace("{id text}", ""), "INVALID_ARGUMENT", "Field 'tell' of type 'Told' must have a"),
            (TELL.replace("id:1,", ""), "INVALID_ARGUMENT", "Expected value of type 'AskInput' to include"),
            (TELL.replace("id:1", f"id:{2**63}"), "INVALID_ARGUMENT", "Expected value of type 'Long', but"),
            ("subscription{tell}", "INVALID_ARGUMENT", "The subscription operation is not supported by the"),
            ("type Query{a:Int}", "INVALID_ARGUMENT", "The 'Query' definition is not executable."),
            ("{...A} fragment A on Query{...A}", "INVALID_ARGUMENT", "Cannot spread fragment 'A' within"),
        ],
    )  # fmt: skip
    def test_documents_that_are_not_valid(self, ask, seen, text, code, message):
        status, _, tree = ask({"query": text})
        assert status == 400
        assert tree["errors"][0]["message"].startswith(message)
        assert tree["errors"][0]["extensions"] == {"code": code}
        assert tree["errors"][0]["locations"]
        assert seen == {}

    @pytest.mark.parametrize(
        ("variables", "message"),
        [
            ({}, "Variable '$input' has invalid value: Expected a value of non-null type 'AskInput!'"),
            ({"input": {"id": 1}}, "Variable '$input' has invalid value: "),
            ({"input": {"id": "1", "text": ""}}, "Variable '$input' has invalid value at .id: "),
            ({"input": {"id": 1, "text": "", "x": 1}}, "Variable '$input' has invalid value: "),
        ],
    )
    def test_variables_that_do_not_fit(self, ask, offered, variables, message):
        status, _, tree = ask({"query": graphql_schema.document(offered["Tell"]), "variables": variables})
        assert status == 400
        code, text = refused(tree)
        assert code == "INVALID_ARGUMENT"
        assert text.startswith(message)

    @pytest.mark.parametrize("number", [1, 2])
    def test_what_a_message_raises_when_it_is_made(self, serve, connect, number):
        method = Method("Try", Even, Even, Kind.UNARY, lambda even: even, "test.Evens")
        call = connect(serve(Service("test.Evens", (method,)))).unary(method)
        even = Even(0)
        even.number = number
        if number == 2:
            assert call(even, LONG) == even
            return
        with pytest.raises(Remote, match="INVALID_ARGUMENT: Even: 1 is odd"):
            call(even, LONG)

    def test_errors_are_few_and_short(self, ask, offered):
        asks = [{"id": "x" * 5000, "text": 5}] * 100
        _, _, tree = ask({"query": graphql_schema.document(offered["Tell"]), "variables": {"input": asks}})
        assert len(json.dumps(tree)) < 20_000
        many = "mutation{" + " ".join(f"nothing{number}" for number in range(1000)) + "}"
        _, _, tree = ask({"query": many})
        assert len(tree["errors"]) <= 11
        assert len(json.dumps(tree)) < 20_000

    @pytest.mark.parametrize(
        "text",
        [
            "{a" * 5000,
            "{" + "...{" * 5000 + "service" + "}" * 5001,
            "mutation{tell(input:" + "[" * 5000,
            "query($x:" + "[" * 5000 + "Int" + "]" * 5000 + "){service}",
            "{" + "service " * 20_000 + "}",
            "#" + "x" * 100_000 + "\n{service}",
            "{" + "#\n" * 20_000 + "service}",
            "{service(a:" + '"' + "x" * 100_000 + '")}',
            "{" + "...A" + "}" + "".join(f"fragment A{n} on Query{{...A{n + 1}}}" for n in range(500)),
        ],
    )
    def test_documents_without_measure(self, ask, text):
        assert ask({"query": text})[0] == 400
        assert ask({"query": TELL})[0] == 200

    def test_the_same_answer_many_times_over(self, ask, seen):
        calls = " ".join(f'a{number}:tell(input:{{id:1,text:"a"}}){{id}}' for number in range(ALIASES + 1))
        status, _, tree = ask({"query": f"mutation{{{calls}}}"})
        assert (status, refused(tree)) == (
            400,
            ("INVALID_ARGUMENT", f"A document may have {ALIASES} aliases."),
        )
        assert seen == {}
        fewer = calls[: calls.rindex(" ")]
        assert len(ask({"query": f"mutation{{{fewer}}}"})[2]["data"]) == ALIASES

    def test_deep_variables(self, ask):
        deep: dict = {}
        for _ in range(500):
            deep = {"id": deep}
        text = graphql_schema.document(service.load("stacks.testing.oracle:Oracle")["Tell"])
        assert ask({"query": text, "variables": {"input": deep}})[0] == 400

    def test_a_body_over_the_limit(self, serve, offered):
        served = serve(offered, Options(max_message=1000))
        connection = http.client.HTTPConnection(served.address.host, served.address.port, timeout=LONG)
        body = json.dumps({"query": TELL, "variables": {"x": "x" * 300_000}})
        connection.request("POST", "/graphql", body, {"content-type": "application/json"})
        assert connection.getresponse().status == 413
        connection.close()

    @pytest.mark.parametrize(
        ("method", "path", "media", "status"),
        [
            ("GET", "/graphql", "application/json", 405),
            ("PUT", "/graphql", "application/json", 405),
            ("POST", "/", "application/json", 404),
            ("POST", "/graphql/", "application/json", 404),
            ("POST", "/graphql", "application/graphql", 415),
            ("POST", "/graphql", "text/plain", 415),
        ],
    )
    def test_other_requests_of_http(self, ask, method, path, media, status):
        assert ask({"query": TELL}, method, path, content_type=media)[0] == status

    def test_a_body_that_is_compressed(self, ask):
        assert ask({"query": TELL}, content_encoding="gzip")[0] == 415

    def test_parameters_of_the_media_type_are_no_matter(self, ask):
        assert ask({"query": TELL}, content_type="Application/JSON; charset=utf-8")[0] == 200
