"""GraphQL over HTTP as foreign clients and servers meet it; what every stack keeps is in the contract."""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import http.server
import json
import threading

import graphql as library
import msgspec
import pytest

import stacks
from stacks import service, shop
from stacks.base import Address, Kind, Method, Options, Service
from stacks.codecs import graphql_schema
from stacks.codecs.graphql import FORMAT
from stacks.errors import ProtocolError, Refused, Remote, SchemaError, Timeout
from stacks.testing.oracle import LONG, WIDE, Ask, Told, Wide
from stacks.transports import memo
from stacks.transports.graphql import engine
from stacks.transports.graphql.rules import ALIASES

SHOP = service.load("stacks.shop:Shop")
CACHED, UNCACHED = "graphql-json", "graphql-json-uncached"
JSON = "application/json"
RESPONSE = "application/graphql-response+json"
TELL = 'mutation{tell(input:{id:1,text:"a"}){id text}}'


class Even(msgspec.Struct):
    number: int

    def __post_init__(self):
        if self.number % 2:
            raise LookupError(f"{self.number} is odd")


@pytest.fixture
def stack():
    return stacks.find(CACHED)


@pytest.fixture
def ask(serve, offered, opened):
    """Post to a server as a plain HTTP client; gives status, media type and tree."""
    served = serve(offered)
    connection = http.client.HTTPConnection(served.address.host, served.address.port, timeout=LONG)
    opened.callback(connection.close)

    def ask(request, method="POST", path="/graphql", **headers):
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"content-type": "application/json", **given})
        reply = connection.getresponse()
        data = reply.read()
        return reply.status, reply.getheader("content-type"), json.loads(data) if data else None

    return ask


def refused(tree):
    """Give the code and the text of the only error of a request that was not executed."""
    assert set(tree) == {"errors"}
    (error,) = tree["errors"]
    return error["extensions"]["code"], error["message"]


def persisted(text, digest=None, **more):
    digest = digest or hashlib.sha256(text.encode()).hexdigest()
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest}}, **more}


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


class TestReplies:
    def serve(self, serve, offered, name, handler, options=None):
        changed = dataclasses.replace(offered[name], handler=handler)
        return serve(dataclasses.replace(offered, methods=(changed,)), options or Options())

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"share": float("nan")}, "same.share: Float cannot represent"),
            ({"share": float("-inf")}, "same.share: Float cannot represent"),
            ({"number": 2**63}, "same.number: Long cannot represent 9223372036854775808"),
            ({"half": 2**31}, "same.half: Int cannot represent non 32-bit signed integer value: 2147483648"),
            ({"number": True}, "same.number: Long cannot represent True"),
            ({"colour": "red"}, "same.colour: Enum 'Colour' cannot represent value: 'red'"),
            ({"text": None}, "same.text: Cannot return null for non-nullable field Wide.text."),
            ({"data": "text"}, "same.data: Bytes cannot represent 'text'"),
            ({"numbers": [1, "x"]}, "same.numbers.1: Long cannot represent 'x'"),
            ({"points": [5]}, "same.points.0.x: 'int' object has no attribute 'x'"),
            ({"text": "half \ud800"}, "surrogates not allowed"),
        ],
    )
    def test_one_that_cannot_be_written_names_its_field(self, serve, connect, offered, change, text):
        served = self.serve(serve, offered, "Same", lambda wide: msgspec.structs.replace(wide, **change))
        with pytest.raises(Remote) as caught:
            connect(served).unary(offered["Same"])(WIDE, LONG)
        assert caught.value.code == "INTERNAL"
        assert caught.value.text.startswith("cannot write the reply: ")
        assert text in caught.value.text

    @pytest.mark.parametrize("other", [None, 5, Ask(1, "")])
    def test_one_of_another_type_is_told(self, serve, connect, offered, other):
        served = self.serve(serve, offered, "Tell", lambda _: other)
        with pytest.raises(Remote, match=r"^INTERNAL: cannot write the reply: tell: .* is no Told"):
            connect(served).unary(offered["Tell"])(Ask(1, ""), LONG)

    def test_the_limit_is_for_the_message_alone(self, serve, connect, offered):
        served = self.serve(
            serve, offered, "Tell", lambda ask: Told(ask.id, "x" * ask.id), Options(max_message=100)
        )
        tell = connect(served).unary(offered["Tell"])
        fits = 100 - len(FORMAT.codec(Told).encode(Told(70, "")))
        assert tell(Ask(fits, ""), LONG) == Told(fits, "x" * fits)
        with pytest.raises(Refused, match=r"reply message larger than max \(101 vs\. 100 bytes\)"):
            tell(Ask(fits + 1, ""), LONG)

    def test_the_clients_limit_is_for_the_message_alone(self, serve, connect, offered):
        grow = connect(serve(offered), Options(max_message=100)).unary(offered["Grow"])
        fits = 100 - len(FORMAT.codec(Told).encode(Told(70, "")))
        assert grow(Ask(fits, ""), LONG) == Told(fits, "x" * fits)
        with pytest.raises(Refused, match="larger than max"):
            grow(Ask(fits + 1, ""), LONG)

    def test_one_that_contains_itself_is_not_served(self, stack):
        class Node(msgspec.Struct):
            below: Node | None

        method = dataclasses.replace(SHOP["Echo"], reply=Node)
        offered = dataclasses.replace(SHOP, methods=(method,))
        with pytest.raises(SchemaError, match=r"Node\.below"), stack.serve(offered, Address(), Options()):
            pytest.fail("served")

    def test_one_with_more_fields_than_a_document_may_have_is_not_served(self, stack):
        wide = msgspec.defstruct("Enormous", [(f"field_{number}", int) for number in range(9000)])
        method = dataclasses.replace(SHOP["Echo"], reply=wide)
        offered = dataclasses.replace(SHOP, methods=(method,))
        with (
            pytest.raises(SchemaError, match="Echo cannot be called"),
            stack.serve(offered, Address(), Options()),
        ):
            pytest.fail("served")


@pytest.fixture
def canned(opened):
    """Run a server that gives the same response to everything; gives where it is, and what came."""

    def canned(status, media, body):
        came = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                came.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(status)
                self.send_header("content-type", media)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        opened.callback(server.server_close)
        opened.callback(thread.join)
        opened.callback(server.shutdown)
        return Address(port=server.server_port), came

    return canned


class TestForeignServers:
    def call(self, canned, offered, opened, status, media, body, name=UNCACHED):
        address, came = canned(status, media, body)
        client = stacks.find(name).connect(address, Options())
        opened.callback(client.close)
        return client.unary(offered["Tell"]), came

    def test_spaces_and_more_fields_do_no_harm(self, canned, offered, opened):
        body = b'{ "extensions": {}, "data": { "tell": { "text": "a", "id": 1, "x": [] } } }'
        tell, came = self.call(canned, offered, opened, 200, "application/json", body)
        assert tell(Ask(1, "ä"), LONG) == Told(1, "a")
        assert came == [
            {
                "query": graphql_schema.document(offered["Tell"]),
                "variables": {"input": {"id": 1, "text": "ä"}},
            }
        ]

    @pytest.mark.parametrize(
        ("response", "error", "text"),
        [
            ((200, "text/html", b"<html>"), ProtocolError, "no JSON"),
            ((200, JSON, b"[]"), ProtocolError, "no JSON object"),
            ((200, JSON, b"{}"), ProtocolError, "neither the reply nor an error"),
            ((200, JSON, b'{"data":null}'), ProtocolError, "neither the reply nor an error"),
            ((200, JSON, b'{"data":{"tell":null}}'), ProtocolError, "neither the reply nor"),
            ((200, JSON, b'{"data":{"tell":{"id":1}}}'), ProtocolError, r"Told\.text is missing"),
            ((200, JSON, b'{"errors":[{"message":"no"}]}'), Remote, "UNKNOWN: no"),
            ((200, JSON, b'{"errors":[]}'), ProtocolError, "neither"),
            ((200, JSON, b'{"errors":[5]}'), ProtocolError, "neither"),
            ((400, RESPONSE, b'{"errors":[{"message":"a","extensions":{"code":"ABORTED"}}]}'), Remote, "A"),
            ((400, JSON, b'{"errors":[{"message":"no"}]}'), Remote, "UNKNOWN: no"),
            ((500, "text/html", b"<h1>oh</h1>"), Remote, "UNKNOWN: HTTP status 500: <h1>oh</h1>"),
            ((503, "text/html", b""), Remote, "UNAVAILABLE: HTTP status 503"),
            ((413, "text/html", b""), Refused, "larger than max"),
        ],
    )  # fmt: skip
    def test_what_they_say_is_understood(self, canned, offered, opened, response, error, text):
        tell, _ = self.call(canned, offered, opened, *response)
        with pytest.raises(error, match=text) as caught:
            tell(Ask(1, "a"), LONG)
        assert type(caught.value) is error

    def test_partial_data_is_no_reply(self, canned, offered, opened):
        body = b'{"errors":[{"message":"late","path":["tell"]}],"data":{"tell":{"id":1,"text":"a"}}}'
        tell, _ = self.call(canned, offered, opened, 200, RESPONSE, body)
        with pytest.raises(Remote, match="UNKNOWN: late"):
            tell(Ask(1, "a"), LONG)

    def test_one_that_never_knows_a_hash_is_asked_twice(self, canned, offered, opened):
        body = b'{"errors":[{"message":"no","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND"}}]}'
        tell, came = self.call(canned, offered, opened, 200, "application/json", body, CACHED)
        with pytest.raises(Remote, match="PERSISTED_QUERY_NOT_FOUND"):
            tell(Ask(1, "a"), LONG)
        text = graphql_schema.document(offered["Tell"])
        variables = {"variables": {"input": {"id": 1, "text": "a"}}}
        assert came == [persisted(text) | variables, persisted(text, query=text) | variables]


def test_the_deadline_is_for_both_requests_of_a_call(serve, connect, offered, seen):
    tell = connect(serve(dataclasses.replace(offered, delay=0.2))).unary(offered["Tell"])
    with pytest.raises(Timeout, match=r"no reply within 0\.1 s"):
        tell(Ask(1, "late"), 0.1)
    assert max(seen.values(), default=0) <= 1


def test_a_shops_call(serve, connect):
    quote = connect(serve(SHOP)).unary(SHOP["Quote"])
    order = shop.order("medium")
    assert quote(order, LONG) == shop.Shop().quote(order)


def test_the_payload_is_the_variables_own_text(serve, offered):
    assert FORMAT.codec(Wide).encode(WIDE) == stacks.find(CACHED).codec(Wide).encode(WIDE)
