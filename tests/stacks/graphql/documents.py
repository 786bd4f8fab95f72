"""Requests of GraphQL by hand, and what their refusals say; no test."""

from __future__ import annotations

import hashlib

from stacks import service

SHOP = service.load("stacks.shop:Shop")
CACHED, UNCACHED = "graphql-json", "graphql-json-uncached"
RESPONSE = "application/graphql-response+json"
TELL = 'mutation{tell(input:{id:1,text:"a"}){id text}}'


def refused(tree):
    """Give the code and the text of the only error of a request that was not executed."""
    assert set(tree) == {"errors"}
    (error,) = tree["errors"]
    return error["extensions"]["code"], error["message"]


def persisted(text, digest=None, **more):
    digest = digest or hashlib.sha256(text.encode()).hexdigest()
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest}}, **more}
