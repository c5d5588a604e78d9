"""Values of tracers and listeners that Envoy parses and that cannot work. The inputs and `lint` share these rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from consul_tracing.envoy_messages.json_values import maps_in
from consul_tracing.envoy_messages.messages import ANY, HTTP_CONNECTION_MANAGER
from consul_tracing.envoy_messages.reader import is_json, read
from consul_tracing.envoy_messages.tracers import XRAY
from consul_tracing.errors import Problem, format_value, mismatch

from .hosts import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.names import FieldPath, JsonObject

V1_PATH = "/api/v1/spans"
V2_PATH = "/api/v2/spans"


REPLACED = (
    "replaces a listener of Consul, which sampling rates and tags do not reach, and requests are not traced: its HTTP "
    'connection manager has no "tracing" block'
)


def v1_path_reason(url: str) -> str:
    """Return why Zipkin rejects spans at a URL or a path: its endpoint of the API v1, in any spelling. Empty if not."""
    segments = [part for part in unquote(re.split("[?#;]", url)[0]).lower().split("/") if part]
    if segments[-3:] != V1_PATH.split("/")[1:]:
        return ""
    return (
        f"must end with {V2_PATH}, got {format_value(url)}. Envoy sends spans of the format v2, which Zipkin rejects "
        "at its v1 path (hashicorp/consul-k8s#967)"
    )


def xray_problems(config: JsonObject, path: str) -> Iterator[Problem]:
    """Return the problems of the daemon's address of a canonical X-Ray tracer. Expressions are accepted.

    Envoy ends with a segmentation fault at an address that is not an IP address, also a running proxy.
    """
    endpoint, place = config.get("daemon_endpoint"), f"{path}.daemon_endpoint"
    if not isinstance(endpoint, dict):
        if is_json(endpoint):
            yield Problem(place, "is required")
        return
    host, protocol = endpoint.get("address"), endpoint.get("protocol", "TCP")
    if is_json(host) and not _is_socket_host(host):
        reason = mismatch("an IP address, IPv6 in brackets", host)
        yield Problem(f"{place}.address", f"{reason}. Envoy crashes at any other address")
    if is_json(protocol) and protocol != "UDP":
        yield Problem(f"{place}.protocol", mismatch("UDP", protocol))
    if "port_value" not in endpoint:
        yield Problem(f"{place}.port_value", "is required")


def _is_socket_host(host: object) -> bool:
    """Return whether Envoy parses `host:port` as an IP address with a port."""
    if not isinstance(host, str) or "%" in host:
        return False
    if host.startswith("[") and host.endswith("]"):
        return ":" in host and is_address(host[1:-1])
    return ":" not in host and is_address(host)


def listener_problems(listeners: object, path: str) -> Iterator[Problem]:
    """Return the problems of the tracers in JSON that replaces a listener."""
    for listener in listeners if isinstance(listeners, list) else []:
        for place, message in maps_in(listener, path):
            if _is(message, XRAY):
                yield from xray_problems(read(message, ANY).value, place)


def has_untraced_requests(listeners: object) -> bool:
    """Return whether JSON that replaces a listener has an HTTP connection manager without a tracing block."""
    managers = [one for _, one in maps_in(listeners, "") if _is(one, HTTP_CONNECTION_MANAGER)]
    return any(one.get("tracing") is None for one in managers)


def _is(message: JsonObject, name: str) -> bool:
    return str(message.get("@type")).rpartition("/")[2] == name


def is_public_listener(key: str) -> bool:
    """Return whether a key of `Config` replaces the public listener of a proxy. Consul ignores the case of keys."""
    return key.lower() == "envoy_public_listener_json"


def upstream_listeners(service_defaults: JsonObject) -> Iterator[tuple[FieldPath, object]]:
    """Yield the fields of service-defaults that replace the listeners of upstreams."""
    upstreams = service_defaults.get("UpstreamConfig")
    if not isinstance(upstreams, dict):
        return
    overrides = upstreams.get("Overrides")
    places: dict[FieldPath, object] = {("Defaults",): upstreams.get("Defaults")}
    places |= {("Overrides", str(i)): one for i, one in enumerate(overrides if isinstance(overrides, list) else [])}
    for place, fields in places.items():
        for name, value in fields.items() if isinstance(fields, dict) else ():
            if name.lower() in {"envoylistenerjson", "envoy_listener_json"}:
                yield ("UpstreamConfig", *place, name), value
