"""Access logs of the proxies with the ids of traces, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .names import SPAN_ID_ENVOY

if TYPE_CHECKING:
    from collections.abc import Mapping

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

DATADOG_IDS: Mapping[str, str] = {"dd.trace_id": "%REQ(X-DATADOG-TRACE-ID)%", "traceparent": "%REQ(TRACEPARENT)%"}
"""The trace id with Datadog, whose tracer gives Envoy no value for `%TRACE_ID%`. The tracer sets both headers."""


def log_format(tracer: str, oldest_envoy: EnvoyRelease) -> JsonObject:
    """Return Consul's format with the ids of the trace. `tracer`: the name of the field in `tracer`.

    Older versions of Envoy do not start with `%SPAN_ID%`, and Zipkin gives it no value.
    """
    has_span_id = tracer == "opentelemetry" and oldest_envoy >= SPAN_ID_ENVOY
    ids = DATADOG_IDS if tracer == "datadog" else TRACE_ID
    return {**CONSUL_FORMAT, **ids, **({"span_id": "%SPAN_ID%"} if has_span_id else {})}
