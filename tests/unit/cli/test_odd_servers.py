"""Commands that read a server which is another program, or a broken one: findings, or one line."""

from typing import Any

import pytest
from typer.testing import CliRunner

from consul_tracing.cli.app import app
from consul_tracing.errors import CommandError
from tests.unit.http_server import Headers, serving

ENVOY_CONFIG = "type.googleapis.com/envoy.admin.v3."


def dump(bootstrap: Any, listeners: Any = None) -> dict[str, Any]:
    return {
        "configs": [
            {"@type": f"{ENVOY_CONFIG}BootstrapConfigDump", "bootstrap": bootstrap},
            {"@type": f"{ENVOY_CONFIG}ListenersConfigDump", "dynamic_listeners": listeners or []},
        ]
    }


NODE = {"id": "web-proxy", "cluster": "web"}
ANSWERS: dict[str, Any] = {
    "/config_dump": dump({"node": NODE}),
    "/stats": {"stats": []},
    "/api/v2/services": [],
    "/api/v2/traces": [],
    "/api/v2/trace/": [],
    "/api/services": {"data": ["web"]},
    "/api/echo": b"echo",
    "/api/search": {"traces": [{"traceID": "1"}]},
    "/api/traces/": {"data": [], "batches": []},
    "/api/traces": {"data": []},
    "/v1/agent/services": {},
    "/v1/agent/service/": {"Proxy": {"Config": {}}},
    "/v1/catalog/connect/": [{"Node": "a", "ServiceID": "web-proxy", "ServiceProxy": {}}],
    "/v1/catalog/services": {},
    "/v1/config/proxy-defaults/global": {"Config": {}},
    "/v1/config/": [],
    "/": {},
}
"""Answers of Envoy, Consul and the trace stores by the start of the path."""

JAEGER_SPAN = {"traceID": "1", "spanID": "2"}
JAEGER_FIELDS = ("traceID", "references", "startTime", "duration", "tags", "processID", "operationName")
OTLP_SPAN = {"traceId": "AAAAAAAAAAABI0VniavN7w==", "spanId": "AAAAAAAAEjQ="}
OTLP_FIELDS = ("traceId", "spanId", "parentSpanId", "kind", "startTimeUnixNano", "attributes", "status", "name")


def otlp(span: Any) -> dict[str, Any]:
    return {"batches": [{"resource": {"attributes": [{"key": "service.name"}]}, "scopeSpans": [{"spans": [span]}]}]}


LISTENER = {"name": "x", "active_state": {"listener": {"address": {"socket_address": {"port_value": "y"}}}}}
ANYTHING: list[Any] = [b"<html>", b"[" * 10_000, None, [], 1, [1], {"a": 1}]
ODD: dict[str, list[Any]] = {
    "/config_dump": [
        *({"configs": 1}, {"configs": [1]}, {"configs": [{}]}),
        *(dump(1), dump({"node": 1}), dump({"node": {**NODE, "metadata": 1}}), dump({"node": {**NODE, "id": []}})),
        *(dump({"node": NODE, "static_resources": [1]}), dump({"node": NODE, "static_resources": {"clusters": [1]}})),
        dump({"node": NODE, "static_resources": {"listeners": [{"name": "envoy_ready_listener"}]}}),
        *(dump({"node": NODE, "tracing": {"http": 1}}), dump({"node": NODE, "tracing": 1})),
        *(dump({"node": NODE}, [1]), dump({"node": NODE}, [{"active_state": 1}]), dump({"node": NODE}, [LISTENER])),
    ],
    "/stats": [{"stats": [1]}, {"stats": [{}]}, {"stats": [{"name": 1, "value": {}}]}],
    "/api/v2/traces": [[{"traceId": "a", "id": "b"}], [[{"traceId": "a"}]]],
    "/api/v2/trace/": [
        *([{"traceId": 1}], [{"traceId": "a", "id": "b", "tags": 1}], [{"traceId": "a", "id": "b", "timestamp": "x"}]),
        *([{"traceId": "a", "id": "b", "localEndpoint": 1}], [{"traceId": "a", "id": "b", "parentId": None}]),
    ],
    "/api/services": [{"data": 1}, {"data": [1]}, {"data": None}, {"data": [""]}],
    "/api/search": [
        *({"traces": 1}, {"traces": [1]}, {"traces": [{}]}, {"traces": [{"traceID": 1}]}),
        *({"traces": [{"traceID": "1", "startTimeUnixNano": "x"}]}, {"traces": [{"traceID": "1", "durationMs": "x"}]}),
    ],
    "/api/traces/": [
        *({"data": 1}, {"data": [1]}, {"data": [{"spans": 1}]}, {"data": [{"spans": [{"traceID": "1"}]}]}),
        *({"data": [{"spans": [{**JAEGER_SPAN, "tags": [1]}]}]}, {"data": [{"spans": [JAEGER_SPAN], "processes": 1}]}),
        *(
            {"data": [{"spans": [{**JAEGER_SPAN, name: value}]}]}
            for name in JAEGER_FIELDS
            for value in (1, None, [1], "x")
        ),
        *({"batches": 1}, {"batches": [1]}, {"batches": [{"resource": 1}]}, {"batches": [{"scopeSpans": [1]}]}),
        *(otlp({**OTLP_SPAN, name: value}) for name in OTLP_FIELDS for value in (1, None, [1], [{}], "x")),
    ],
    "/api/traces": [{"data": 1}, {"data": [1]}, {"data": [{"spans": []}]}],
    "/v1/agent/services": [{"a": {"Proxy": 1, "Kind": []}}, {"a": {"Proxy": {"Config": 1}, "Kind": "connect-proxy"}}],
    "/v1/agent/service/": [
        *({"Proxy": 1}, {"Proxy": {"Config": [1]}}, {"Proxy": {"Config": {"envoy_tracing_json": 1}}}),
        *({"Proxy": {"AccessLogs": 1}}, {"Proxy": {"Config": {"envoy_extra_static_clusters_json": "[1]"}}}),
    ],
    "/v1/catalog/connect/": [[{"Node": 1}], [{"Node": "a", "ServiceID": "web-proxy", "ServiceProxy": 1}]],
    "/v1/config/proxy-defaults/global": [{"Config": [1]}, {"Config": {"envoy_extra_static_clusters_json": "{}"}}],
    "/v1/config/": [[{"Config": 1, "Kind": "proxy-defaults", "Name": 1}], [{"Kind": [], "Name": {}}]],
}
COMMANDS = {
    "stale": ["stale", "--admin={address}"],
    "lint": ["lint", "--consul"],
    **{
        name: ["verify", "http://{address}/", f"--store={store}=http://{{address}}", "--admin={address}", "--timeout=0"]
        for name, store in {"verify": "zipkin", "jaeger": "jaeger", "tempo": "tempo"}.items()
    },
}
"""Commands. `jaeger` and `tempo` are `verify` with these stores."""


@pytest.mark.parametrize(
    ("command", "path"),
    [
        *(("stale", path) for path in ("/config_dump", "/v1/agent/service/", "/v1/catalog/connect/")),
        *(("lint", path) for path in ("/v1/agent/services", "/v1/catalog/services", "/v1/config/")),
        *(("verify", path) for path in ("/stats", "/config_dump", "/api/v2/traces", "/api/v2/trace/")),
        *(("jaeger", path) for path in ("/api/services", "/api/traces/", "/api/traces")),
        *(("tempo", path) for path in ("/api/echo", "/api/search", "/api/traces/")),
        *(("verify", path) for path in ("/v1/agent/service/", "/v1/config/proxy-defaults/global", "/v1/config/")),
    ],
)
def test_every_answer_of_a_server_is_handled(monkeypatch: pytest.MonkeyPatch, path: str, command: str) -> None:
    odd: Any = None

    def answer(requested: str, _: Headers) -> tuple[int, Any]:
        start = next(one for one in ANSWERS if requested.startswith(one))
        if path == "/v1/catalog/connect/" and start == "/v1/agent/service/":
            return 404, None
        return 200, odd if start == path else ANSWERS[start]

    with serving(answer) as address:
        monkeypatch.setenv("CONSUL_HTTP_ADDR", address)
        for odd in [*ANYTHING, *ODD.get(path, [])]:
            result = CliRunner().invoke(app, [one.format(address=address) for one in COMMANDS[command]])
            assert isinstance(result.exception, CommandError | SystemExit | None), (odd, repr(result.exception))
            assert "\n" not in str(result.exception)
