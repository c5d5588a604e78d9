"""Comparison of a proxy's bootstrap with the configuration of the proxy in Consul."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from consul_tracing.envoy_messages import messages
from consul_tracing.envoy_messages.comparison import ANYTHING, differing_paths
from consul_tracing.envoy_messages.json_values import json_objects
from consul_tracing.inputs.static_clusters import RESERVED_CLUSTERS
from consul_tracing.names import CLUSTERS_KEY, TRACER_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consul_tracing.names import JsonObject

TEMPLATE_KEY = "envoy_bootstrap_json_tpl"
TELEMETRY_KEY = "envoy_telemetry_collector_bind_socket_dir"
TELEMETRY_CLUSTER = "consul_telemetry_collector_loopback"
ADMIN_LOG = "Consul Listener"
"""Start of the names of the access logs that `AccessLogs` adds."""

LISTENERS = {
    "envoy_prometheus_bind_addr": "envoy_prometheus_metrics_listener",
    "envoy_stats_bind_addr": "envoy_metrics_listener",
    "": "envoy_ready_listener",
}
"""Consul's own listeners by the key that sets their address. Arguments of its command line set the last one."""

SINKS = {
    "envoy_statsd_url": ("envoy.stat_sinks.statsd", "StatsdSink"),
    "envoy_dogstatsd_url": ("envoy.stat_sinks.dog_statsd", "DogStatsdSink"),
}
"""Names and types of the sinks that Consul builds from a URL."""

ACCESS_LOGS = {"stdout": "StdoutAccessLog", "stderr": "StderrAccessLog", "file": "FileAccessLog"}


class BootstrapError(Exception):
    """The bootstrap of a proxy cannot be compared."""


def bootstrap_differences(proxy: JsonObject, bootstrap: JsonObject) -> list[str]:
    """Return the differences between a running bootstrap and the one of a start now. Raises BootstrapError.

    `proxy`: the block `Proxy` of the registration, merged with proxy-defaults. Values are not part of a difference,
    because they may be credentials.
    """
    config = {key.lower(): value for key, value in (proxy.get("Config") or {}).items() if value}
    if TEMPLATE_KEY in config:
        raise BootstrapError(f"{TEMPLATE_KEY} replaces the whole bootstrap, which is not supported")
    return [
        *_compared("tracer", next(iter(_parsed(config, TRACER_KEY)), None), bootstrap.get("tracing"), messages.TRACING),
        *_cluster_differences(config, bootstrap),
        *_listener_differences(config, bootstrap),
        *_stats_differences(config, bootstrap),
        *_compared(
            "admin access log",
            _expected_logs(proxy.get("AccessLogs") or {}),
            _actual_logs(bootstrap),
            messages.ACCESS_LOG,
        ),
    ]


def _compared(subject: str, expected: Any, actual: Any, message: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    if not expected and not actual:
        return
    if not expected or not actual:
        yield f"{subject}: {'removed' if actual else 'added'}"
        return
    for path in differing_paths(expected, actual, message):
        yield f"{subject}: {'.'.join(path) or 'changed'}"


def _compared_by_name(
    subject: str, expected: list[JsonObject], actual: list[JsonObject], message: str
) -> Iterator[str]:
    wanted, found = _by_name(expected), _by_name(actual)
    for name in sorted(wanted.keys() | found.keys()):
        yield from _compared(f"{subject} {name}", wanted.get(name), found.get(name), message)


def _by_name(messages: list[JsonObject]) -> dict[str, JsonObject]:
    return {str(message.get("name") or index): message for index, message in enumerate(messages)}


def _parsed(config: Mapping[str, Any], key: str) -> list[JsonObject]:
    """Return the objects in a key: one, or several joined by commas."""
    found = json_objects(config.get(key, ""))
    if found is None:
        raise BootstrapError(f"{key} in Consul must be JSON objects joined by commas; the proxy cannot restart with it")
    return found


def _cluster_differences(config: Mapping[str, Any], bootstrap: JsonObject) -> Iterator[str]:
    clusters = bootstrap.get("static_resources", {}).get("clusters", [])
    own = [cluster for cluster in clusters if cluster.get("name") not in RESERVED_CLUSTERS]
    yield from _compared_by_name("static cluster", _parsed(config, CLUSTERS_KEY), own, messages.CLUSTER)
    telemetry = next((cluster for cluster in clusters if cluster.get("name") == TELEMETRY_CLUSTER), None)
    directory = TELEMETRY_KEY in config and str(PurePosixPath(config[TELEMETRY_KEY]))
    yield from _compared("telemetry collector", directory, telemetry and _socket_directory(telemetry), messages.STRING)


def _socket_directory(cluster: JsonObject) -> str:
    """Return the directory of the socket. Consul derives its file name from the proxy."""
    (endpoints,) = cluster["load_assignment"]["endpoints"]
    return str(PurePosixPath(endpoints["lb_endpoints"][0]["endpoint"]["address"]["pipe"]["path"]).parent)


def _listener_differences(config: Mapping[str, Any], bootstrap: JsonObject) -> Iterator[str]:
    listeners = bootstrap.get("static_resources", {}).get("listeners", [])
    own = [listener for listener in listeners if listener.get("name") not in LISTENERS.values()]
    yield from _compared_by_name(
        "static listener", _parsed(config, "envoy_extra_static_listeners_json"), own, messages.LISTENER
    )
    found = {
        listener.get("name"): listener["address"]["socket_address"] for listener in listeners if listener not in own
    }
    for key, subject in (
        ("envoy_prometheus_bind_addr", "Prometheus address"),
        ("envoy_stats_bind_addr", "stats address"),
    ):
        yield from _compared(subject, _address(config.get(key)), found.get(LISTENERS[key]), messages.SOCKET_ADDRESS)


def _address(text: str | None) -> JsonObject | None:
    if not text:
        return None
    host, _, port = text.rpartition(":")
    return {"address": host.strip("[]"), "port_value": port}


def _stats_differences(config: Mapping[str, Any], bootstrap: JsonObject) -> Iterator[str]:
    sinks = [sink for sink in bootstrap.get("stats_sinks", []) if TELEMETRY_CLUSTER not in json.dumps(sink)]
    expected = [_sink(key, config[key]) for key in SINKS if key in config]
    expected += _parsed(config, "envoy_extra_stats_sinks_json")
    yield from _compared("stats sinks", expected, sinks, messages.STATS_SINK)
    # Consul sets an interval for its telemetry collector.
    interval = config.get("envoy_stats_flush_interval") or (ANYTHING if TELEMETRY_KEY in config else None)
    yield from _compared("stats flush interval", interval, bootstrap.get("stats_flush_interval"), messages.DURATION)
    stats = bootstrap.get("stats_config", {})
    if custom := _parsed(config, "envoy_stats_config_json"):
        yield from _compared("stats config", custom[0], stats, messages.STATS_CONFIG)
    else:
        own = {**stats, "stats_tags": _own_tags(stats)}
        yield from _compared("stats config", _stats_config(config), own, messages.STATS_CONFIG)


def _sink(key: str, address: str) -> JsonObject:
    name, kind = SINKS[key]
    if address.startswith("$"):
        # The environment of the proxy has the address.
        return {"name": name, "typed_config": ANYTHING}
    url = urlsplit(address)
    socket = {"socket_address": {"address": url.hostname, "port_value": url.netloc.rpartition(":")[2]}}
    location = {"pipe": {"path": url.path}} if url.scheme == "unix" else socket
    return {"name": name, "typed_config": {"@type": f"envoy.config.metrics.v3.{kind}", "address": location}}


def _stats_config(config: Mapping[str, Any]) -> JsonObject:
    tags = config.get("envoy_stats_tags") or []
    pairs = [tag.partition("=") for tag in ([tags] if isinstance(tags, str) else tags)]
    return {
        "stats_tags": [{"tag_name": name, "fixed_value": value} for name, _, value in pairs],
        "use_all_default_tags": True,
    }


def _own_tags(stats: JsonObject) -> list[JsonObject]:
    """Return the tags of `envoy_stats_tags`. Consul appends its own, and the first of them has a regular expression."""
    return list(takewhile(lambda tag: "regex" not in tag, stats.get("stats_tags", [])))


def _actual_logs(bootstrap: JsonObject) -> list[JsonObject]:
    logs = bootstrap.get("admin", {}).get("access_log", [])
    return [log for log in logs if str(log.get("name", "")).startswith(ADMIN_LOG)]


def _expected_logs(logs: JsonObject) -> list[JsonObject]:
    """Return the access log of the admin interface. Consul's default format depends on its version."""
    if not logs.get("Enabled"):
        return []
    kind = ACCESS_LOGS.get(logs.get("Type") or "stdout", "")
    folder = "file" if kind == "FileAccessLog" else "stream"
    config: JsonObject = {"@type": f"envoy.extensions.access_loggers.{folder}.v3.{kind}", "log_format": ANYTHING}
    if logs.get("Path"):
        config["path"] = logs["Path"]
    if logs.get("JSONFormat"):
        config["log_format"] = {"json_format": json.loads(logs["JSONFormat"])}
    elif logs.get("TextFormat"):
        text = f"{logs['TextFormat'].rstrip(chr(10))}\n"
        config["log_format"] = {"text_format_source": {"inline_string": text}}
    return [{"name": ANYTHING, "typed_config": config}]
