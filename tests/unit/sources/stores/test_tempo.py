"""Spans of Tempo. No Tempo runs here: the responses are recorded ones of its documentation and source, as labelled."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from consul_tracing.sources.http import ServerError, parsed_url
from consul_tracing.sources.spans import Span
from consul_tracing.sources.stores.client import StoreClient
from consul_tracing.sources.stores.tempo import Tempo
from tests.unit.http_server import Headers, serving

VERSION_1 = json.loads("""
{"batches":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shell script"}}]},
"instrumentationLibrarySpans":[{"spans":[{"traceId":"AAAAAAAAAAABI0VniavN7w==","spanId":"AAAAAAAAEjQ=",
"name":"span from bash!","startTimeUnixNano":"1608239395286533000","endTimeUnixNano":"1608239395386533000",
"attributes":[{"key":"http.path","value":{"stringValue":"/api"}},{"key":"http.method","value":{"stringValue":"GET"}}]}
]}]}]}""")
"""Recorded: grafana/tempo v1.5.0, docs/tempo/website/api_docs/pushing-spans-with-http.md, GET /api/traces/{id}."""

VERSION_2 = json.loads("""
{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my.service"}}]},
"scopeSpans":[{"scope":{"name":"my.library","version":"1.0.0"},"spans":[{"traceId":"W47/95gDgQPSabYzgT/HAA==",
"spanId":"7uGbfsPBsQA=","name":"I am a span!","kind":"SPAN_KIND_SERVER","startTimeUnixNano":"1689969302000000000",
"endTimeUnixNano":"1689970000000000000","attributes":[{"key":"my.span.attr","value":{"stringValue":"some value"}}],
"status":{}}]}]}]}""")
"""Recorded: grafana/tempo v3.0.3, docs/sources/tempo/api_docs/pushing-spans-with-http.md, GET /api/v2/traces/{id}, the
field `trace`. GET /api/traces/{id} has the same content in a field `batches` (MarshalToJSONV1 in
pkg/tempopb/trace_utils.go)."""

GRAFANA = json.loads("""
{"batches":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"db"}},
{"key":"job","value":{"stringValue":"tns/db"}}]},"instrumentationLibrarySpans":[{"instrumentationLibrary":{},
"spans":[{"traceId":"AAAAAAAAAABguiq7RPE+rg==","spanId":"cmteMBAvwNA=","parentSpanId":"OY8PIaPbma4=",
"name":"HTTP GET - root","kind":"SPAN_KIND_SERVER","startTimeUnixNano":"1627471657255809000",
"endTimeUnixNano":"1627471657256268000","attributes":[{"key":"http.status_code","value":{"intValue":"200"}},
{"key":"http.method","value":{"stringValue":"GET"}},{"key":"http.url","value":{"stringValue":"/"}}],
"status":{}}]}]}]}""")
"""Recorded: documentation of Grafana's data source for Tempo, section "Trace JSON example"."""

HEXADECIMAL = json.loads("""
{"batches":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my.service"}}]},
"scopeSpans":[{"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
"parentSpanId":"EEE19B7EC3C1B173","name":"I'm a server span","startTimeUnixNano":"1544712660000000000",
"endTimeUnixNano":"1544712661000000000","kind":2,"attributes":[]}]}]}]}""")
"""Recorded: grafana/tempo, pkg/tempopb/trace.json, with the ids and kinds of OTLP."""

FOUND = json.loads("""
{"traces":[{"traceID":"5b8efff798038103d269b633813fc700","rootServiceName":"my.service","rootTraceName":"I am a span!",
"startTimeUnixNano":"1694718625557000000","durationMs":10000,"spanSet":{"spans":[{"spanID":"eee19b7ec3c1b100",
"startTimeUnixNano":"1694718625557000000","durationNanos":"10000000000","attributes":[{"key":"service.name",
"value":{"stringValue":"my.service"}}]}],"matched":1},"spanSets":[{"spans":[{"spanID":"eee19b7ec3c1b100",
"startTimeUnixNano":"1694718625557000000","durationNanos":"10000000000"}],"matched":1}]},
{"traceID":"d6e9329d67b6146a","rootServiceName":"frontend","rootTraceName":"/cart",
"startTimeUnixNano":"1634727903545000000","durationMs":611}],
"metrics":{"inspectedBytes":"292781","completedJobs":1,"totalJobs":1}}""")
"""Recorded: grafana/tempo v3.0.3, GET /api/search in pushing-spans-with-http.md and, second trace, in _index.md. Tempo
omits the first zeros of a trace id (TraceIDToHexString in pkg/util/traceid.go)."""

START = 1694718625557000


class Stub:
    """A Tempo with recorded responses."""

    def __init__(self, trace: Any = VERSION_2, found: Any = FOUND) -> None:
        self.trace, self.found = trace, found
        self.paths: list[str] = []

    def answer(self, path: str, _: Headers) -> tuple[int, Any]:
        self.paths.append(path)
        if path.startswith("/tempo/api/search?"):
            return 200, self.found
        return (200, self.trace) if self.trace else (404, b"")


def tempo(address: str) -> Tempo:
    return Tempo(StoreClient(url=parsed_url(f"http://{address}/tempo"), program="Tempo", address=address))


def spans(trace: Any) -> list[Span]:
    with serving(Stub(trace).answer) as address:
        return [*tempo(address).spans("1")]


def test_trace_of_version_1() -> None:
    assert spans(VERSION_1) == [
        Span(
            trace_id="0123456789abcdef",
            id="0000000000001234",
            service="shell script",
            name="span from bash!",
            start=1608239395286533,
            duration=100_000,
            tags={"http.path": "/api", "http.method": "GET"},
        )
    ]


@pytest.mark.parametrize("field", ["resourceSpans", "batches"])
def test_trace_of_version_2_and_3(field: str) -> None:
    (span,) = spans({field: VERSION_2["resourceSpans"]})
    assert (span.trace_id, span.id, span.parent_id) == ("5b8efff798038103d269b633813fc700", "eee19b7ec3c1b100", None)
    assert (span.service, span.kind, span.tags) == ("my.service", "SERVER", {"my.span.attr": "some value"})


def test_numbers_and_parents() -> None:
    (span,) = spans(GRAFANA)
    assert (span.trace_id, span.id, span.parent_id) == ("60ba2abb44f13eae", "726b5e30102fc0d0", "398f0f21a3db99ae")
    assert (span.service, span.kind, span.tags["http.status_code"]) == ("db", "SERVER", "200")


def test_hexadecimal_ids_and_kinds_as_numbers() -> None:
    (span,) = spans(HEXADECIMAL)
    assert (span.trace_id, span.id, span.parent_id, span.kind) == (
        "5b8efff798038103d269b633813fc60c",
        "eee19b7ec3c1b174",
        "eee19b7ec3c1b173",
        "SERVER",
    )


@pytest.mark.parametrize("code", [2, "STATUS_CODE_ERROR"])
def test_error_status_is_a_tag(code: object) -> None:
    trace = json.loads(json.dumps(VERSION_2))
    trace["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["status"] = {"code": code}
    assert spans(trace)[0].tags["error"] == "true"


def test_unknown_trace_has_no_spans() -> None:
    assert spans(None) == spans({}) == spans({"batches": []}) == spans({"batches": [{"resource": {}}]}) == []


@pytest.mark.parametrize("identity", ["?", "ä" * 32, "z" * 32])
def test_invalid_id_is_an_error(identity: str) -> None:
    trace = json.loads(json.dumps(VERSION_2))
    trace["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = identity
    with pytest.raises(ServerError, match="does not respond as expected: it is not Tempo"):
        spans(trace)


def test_search_by_user_agent() -> None:
    stub = Stub(found={"traces": [{"traceID": "5b8"}]})
    with serving(stub.answer) as address:
        assert len(tempo(address).tagged_spans("a/1")) == 1
        stub.found = {"metrics": {}}
        assert tempo(address).tagged_spans("a/1") == []
    query = parse_qs(urlsplit(stub.paths[0]).query)
    assert (query["q"], query["limit"]) == (['{ span.user_agent = "a/1" }'], ["1"])
    assert int(query["end"][0]) - int(query["start"][0]) in {7200, 7201}
    assert stub.paths[1] == "/tempo/api/traces/5b8"


def test_search_by_service_reads_the_traces_of_the_time_only() -> None:
    stub = Stub()
    with serving(stub.answer) as address:
        (trace,) = tempo(address).traces_of("my.service", START - 5_000_000, START + 5)
    assert trace[0].service == "my.service"
    assert parse_qs(urlsplit(stub.paths[0]).query) == {
        "q": ['{ resource.service.name =~ "(?i)my\\\\.service" }'],
        "limit": ["200"],
        "spss": ["1"],
        "start": ["1694718620"],
        "end": ["1694718626"],
    }
    assert stub.paths[1:] == ["/tempo/api/traces/5b8efff798038103d269b633813fc700"]


def test_limit_applies_to_the_traces_of_the_time() -> None:
    """Tempo returns a trace of the same second first, which ended before the time."""
    earlier = {"traceID": "1", "startTimeUnixNano": f"{(START - 500_000) * 1000}", "durationMs": 10}
    stub = Stub(found={"traces": [earlier, FOUND["traces"][0]]})
    with serving(stub.answer) as address:
        assert len(tempo(address).traces_of("my.service", START, START + 5, limit=1)) == 1
