"""Spans of Jaeger. The mesh tests read a real one; these are the forms of other versions and backends."""

from typing import Any

import pytest

from consul_tracing.sources.http import parsed_url
from consul_tracing.sources.spans import Span
from consul_tracing.sources.stores.client import StoreClient
from consul_tracing.sources.stores.jaeger import Jaeger
from tests.unit.http_server import Headers, serving

TRACE = "123456789abcdef"
CONVERTED: dict[str, Any] = {
    "traceID": TRACE,
    "spans": [
        {
            "traceID": TRACE,
            "spanID": "2",
            "operationName": "get",
            "references": [],
            "startTime": 1795972635000000,
            "duration": 1500,
            "tags": [
                {"key": "span.kind", "type": "string", "value": "client"},
                {"key": "http.status_code", "type": "int64", "value": 200},
                {"key": "error", "type": "bool", "value": False},
            ],
            "processID": "p1",
        },
        {
            "traceID": TRACE,
            "spanID": "3",
            "references": [
                {"refType": "CHILD_OF", "traceID": "00000000000000ff", "spanID": "00000000000000ff"},
                {"refType": "FOLLOWS_FROM", "traceID": TRACE, "spanID": "1"},
                {"refType": "CHILD_OF", "traceID": TRACE, "spanID": "2"},
            ],
            "tags": [{"key": "error", "type": "bool", "value": True}],
            "processID": "p2",
        },
        {"traceID": TRACE, "spanID": "4", "references": None, "parentSpanID": "3", "tags": None, "processID": "p9"},
    ],
    "processes": {"p1": {"serviceName": "Web", "tags": []}, "p2": {"serviceName": "api", "tags": []}},
}
"""A trace with the fields of Jaeger 1.76 (internal/uimodel/model.go), and ids and parents as older versions write them.

References to several spans are as in Jaeger's own test, internal/uimodel/converter/v1/json/fixtures/ui_01.json."""


class Stub:
    """A Jaeger with one trace. Each query is recorded."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.services: list[str] | None = ["Web", "api"]
        self.found: list[Any] | None = [CONVERTED]

    def answer(self, path: str, _: Headers) -> tuple[int, Any]:
        self.paths.append(path)
        if path.startswith("/jaeger/api/services"):
            return 200, {"data": self.services, "total": 0, "errors": None}
        if path == "/jaeger/api/traces/abc":
            return 404, {"data": None, "total": 0, "errors": [{"code": 404, "msg": "trace not found"}]}
        return 200, {"data": self.found, "total": 0, "errors": None}


def jaeger(address: str) -> Jaeger:
    return Jaeger(StoreClient(url=parsed_url(f"http://{address}/jaeger"), program="Jaeger", address=address))


def test_ids_kinds_and_parents() -> None:
    with serving(Stub().answer) as address:
        spans = jaeger(address).spans(TRACE)
    spans = sorted(spans, key=lambda span: span.id)
    assert [(one.trace_id, one.id, one.parent_id, one.service, one.kind) for one in spans] == [
        ("0123456789abcdef", "0000000000000002", None, "web", "CLIENT"),
        ("0123456789abcdef", "0000000000000003", "0000000000000002", "api", "-"),
        ("0123456789abcdef", "0000000000000004", "0000000000000003", "-", "-"),
    ]
    assert [one.tags for one in spans] == [{"span.kind": "client", "http.status_code": "200"}, {"error": "true"}, {}]
    assert (spans[0].start, spans[0].end, spans[1].start) == (1795972635000000, 1795972635001500, None)


def test_order_of_spans_is_that_of_their_start() -> None:
    """Jaeger returns them in another order from call to call, and a trace is final when it no longer changes."""
    stub = Stub()
    with serving(stub.answer) as address:
        first = jaeger(address).spans(TRACE)
        stub.found = [{**CONVERTED, "spans": CONVERTED["spans"][::-1]}]
        assert jaeger(address).spans(TRACE) == first


def test_unknown_trace_and_empty_results() -> None:
    stub = Stub()
    stub.found = None
    with serving(stub.answer) as address:
        store = jaeger(address)
        assert [store.spans("abc"), store.spans("123")] == [[], []]
        stub.services = None
        assert (store.tagged_spans("a/1"), store.traces_of("web", 0, 1)) == ([], [])


def test_search_by_user_agent_asks_for_each_service() -> None:
    stub = Stub()
    with serving(stub.answer) as address:
        found = jaeger(address).tagged_spans("a/1")
    assert [one.id for one in found] == [f"{number:016x}" for number in (2, 3, 4)]
    searched = sorted(path for path in stub.paths if "/api/traces?" in path)
    assert [path.partition("&start")[0] for path in searched] == [
        f"/jaeger/api/traces?service={name}&tags=%7B%22user_agent%22%3A+%22a%2F1%22%7D" for name in ("Web", "api")
    ]


def test_search_uses_the_name_as_jaeger_has_it() -> None:
    stub = Stub()
    with serving(stub.answer) as address:
        (trace,) = jaeger(address).traces_of("web", 5, 10, limit=2)
    assert isinstance(trace[0], Span)
    assert stub.paths[-1] == "/jaeger/api/traces?service=Web&start=5&end=10&limit=2"


@pytest.mark.parametrize("services", [["Web"], ["Web", "WEB"]])
def test_each_trace_is_returned_once(services: list[str]) -> None:
    stub = Stub()
    stub.services = services
    with serving(stub.answer) as address:
        assert len(jaeger(address).traces_of("web", 0, 1)) == 1
