"""Which requests hops take for gRPC and which for plain HTTP, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from harness.show import words
from stacks.hops.routing import Answer, Question

LEGEND = "REST and gRPC are the upstreams, self is the hop; then the HTTP status, and gRPC's behind a slash."
_REQUEST = 30
"""Cells of a request with the longest content-type that is asked with."""
_ANSWER = 10
"""Cells of an answer such as ``gRPC 200/0``."""
_WHO = {"grpc": "gRPC", "http": "REST", "": "self"}


def render(found: Mapping[str, Sequence[Answer]], width: int = 80) -> str:
    """Write a line a question and a column a hop, in `width` cells."""
    table = Table(box=None, pad_edge=False, header_style="", padding=(0, 2, 0, 0))
    table.add_column("request", overflow="fold", min_width=_REQUEST)
    for heading in found:
        table.add_column(
            heading, overflow="fold", max_width=max(_ANSWER, (width - _REQUEST) // len(found) - 2)
        )
    for answers in zip(*found.values(), strict=True):
        table.add_row(_question(answers[0].question), *map(_answer, answers))
    console = Console(width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(table)
        console.print(LEGEND)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _question(question: Question) -> str:
    protocol = question.protocol.replace("HTTP/", "h")
    path = "" if question.routed else f" {question.path}"
    return f"{protocol} {question.method} {question.content_type or 'no content-type'}{path}"


def _answer(answer: Answer) -> str:
    if answer.failure:
        return words.clean(answer.failure)
    code = "" if answer.grpc_status is None else f"/{answer.grpc_status}"
    return f"{_WHO[answer.upstream]} {answer.status}{code}"
