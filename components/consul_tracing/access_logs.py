"""Access logs of the proxies with the ids of traces, as plain data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .errors import Problem
from .names import SPAN_ID_ENVOY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .names import EnvoyRelease, JsonObject

CONSUL_FORMAT: Mapping[str, str] = {
    "start_time": "%START_TIME%",
    "route_name": "%ROUTE_NAME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
"""Consul's format, which is the same in 1.20 and 1.22. Source: `agent/xds/accesslogs`."""

TRACE_ID: Mapping[str, str] = {"trace_id": "%TRACE_ID%"}

FORMATS = ("JSONFormat", "TextFormat")

SPAN_ID = "%SPAN_ID%"

DATADOG_IDS: Mapping[str, str] = {"dd.trace_id": "%REQ(X-DATADOG-TRACE-ID)%", "traceparent": "%REQ(TRACEPARENT)%"}
"""The trace id with Datadog, whose tracer gives Envoy no value for `%TRACE_ID%`. The tracer sets both headers."""


def log_format(tracer: str, oldest_envoy: EnvoyRelease) -> JsonObject:
    """Return Consul's format with the ids of the trace. `tracer`: the name of the field in `tracer`.

    Older versions of Envoy do not start with `%SPAN_ID%`, and Zipkin gives it no value.
    """
    has_span_id = tracer == "opentelemetry" and oldest_envoy >= SPAN_ID_ENVOY
    ids = DATADOG_IDS if tracer == "datadog" else TRACE_ID
    return {**CONSUL_FORMAT, **ids, **({"span_id": SPAN_ID} if has_span_id else {})}


def newer_formats(logs: Mapping[str, object], envoy: EnvoyRelease | None) -> Iterator[str]:
    """Yield the formats with which an Envoy does not start."""
    if envoy and envoy < SPAN_ID_ENVOY:
        yield from (name for name in FORMATS if SPAN_ID in str(logs.get(name)))


def rejected_formats(logs: Mapping[str, object]) -> Iterator[Problem]:
    """Yield what Consul rejects in the formats of `AccessLogs`."""
    if all(logs.get(name) for name in FORMATS):
        yield Problem("TextFormat", "conflicts with JSONFormat. Consul supports one format")
    if isinstance(text := logs.get("JSONFormat"), str) and text:
        try:
            json.loads(text)
        except ValueError as error:
            yield Problem("JSONFormat", f"must be valid JSON: {error}")
