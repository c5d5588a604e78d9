"""A stand-in for Tempo, which cannot be built here: its API over the spans of a real Jaeger.

The forms of the responses are those of Tempo's documentation (tests/unit/sources/stores/test_tempo.py). Searches
understand the two TraceQL queries of `verify` only.
"""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from consul_tracing.cli.verify.store import StoreOptions, store_of
from testbed.http import send_request, url
from testbed.jaeger import Jaeger
from tests.unit.http_server import Headers, serving

IDS = frozenset({"traceId", "spanId", "parentSpanId"})
KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT")
QUERY = re.compile(r'\{ (span\.user_agent =|resource\.service\.name =~) (".*") \}')


@contextmanager
def tempo_over(jaeger: Jaeger) -> Iterator[str]:
    """Start the stand-in and yield its URL."""
    store = store_of(StoreOptions(store=f"jaeger={url(jaeger.port)}", environment={}))

    def search(query: dict[str, list[str]]) -> dict[str, Any]:
        match = QUERY.fullmatch(query["q"][0])
        assert match, query
        value = json.loads(match[2])
        if "user_agent" in match[1]:
            traces = [store.tagged_spans(value)]
        else:
            start, end = (int(query[name][0]) * 1_000_000 for name in ("start", "end"))
            traces = [*store.traces_of(value.removeprefix("(?i)"), start, end)]
        # Tempo omits the first zeros of an id.
        return {"traces": [{"traceID": spans[0].trace_id.lstrip("0")} for spans in traces if spans]}

    def answer(path: str, _: Headers) -> tuple[int, object]:
        parsed = urlsplit(path)
        if parsed.path == "/api/echo":
            return 200, b"echo"
        if parsed.path == "/api/search":
            return 200, search(parse_qs(parsed.query))
        found = send_request(jaeger.port, parsed.path.replace("/api/", "/api/v3/"))
        if found.status != 200:
            return found.status, b""
        return 200, {"batches": _as_tempo(found.json()["result"]["resourceSpans"])}

    with serving(answer) as address:
        yield f"http://{address}"


def _as_tempo(value: Any) -> Any:
    """Return JSON of OTLP as the JSON of protobuf: ids in base64, and names of kinds."""
    if isinstance(value, list):
        return [*map(_as_tempo, value)]
    if not isinstance(value, dict):
        return value
    return {name: _field(name, one) for name, one in value.items()}


def _field(name: str, value: Any) -> Any:
    if name in IDS:
        return base64.b64encode(bytes.fromhex(value)).decode()
    return f"SPAN_KIND_{KINDS[value]}" if name == "kind" else _as_tempo(value)
