"""What works, and yet is worth a warning."""

from __future__ import annotations

import difflib
import ipaddress
from typing import TYPE_CHECKING

from .envoy import CLUSTER_FIELDS, HTTP_PROTOCOLS, snake_case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .settings import MeshSettings


def advice(settings: MeshSettings, *, single_machine: bool, http_elsewhere: bool = False) -> Iterator[str]:
    """Warnings about `settings`, the reason and the way out in each.

    `single_machine`: whether the whole mesh runs on one machine, where a collector on localhost is every proxy's.
    `http_elsewhere`: whether a service that is not in `settings` has an HTTP protocol.
    """
    if not settings.enabled:
        yield (
            "enabled: false reaches a proxy when it restarts: until then it keeps its tracer and marks requests that "
            "arrive without a trace as not sampled. Restart every proxy after this up."
        )
        return
    yield from _sampling(settings)
    if not http_elsewhere and not declares_http(settings):
        yield (
            "no service is declared as http, http2 or grpc, and Consul's default is tcp, which is never traced. "
            "Declare them in services."
        )
    if settings.tracer.opentelemetry is not None and settings.tracer.opentelemetry.service_name is None:
        yield (
            "tracer.opentelemetry.service_name is not given: every span of the mesh will say unknown_service:envoy. "
            "The Zipkin tracer names each span's service by itself."
        )
    if not single_machine and is_loopback(settings.collector.host):
        yield (
            f'collector.host: "{settings.collector.host}" is each proxy\'s own machine: spans of machines without a '
            "collector are lost."
        )
    yield from _static_clusters(settings)
    yield from _dropped_fields(settings)
    if "envoy_bootstrap_json_tpl" in {key.lower() for key in settings.proxy_config}:
        yield "proxy_config.envoy_bootstrap_json_tpl replaces Consul's bootstrap; one without a tracer traces nothing."


def _sampling(settings: MeshSettings) -> Iterator[str]:
    sampling = settings.sampling
    if 0 in (sampling.random, sampling.overall):
        name = "random" if sampling.random == 0 else "overall"
        yield (
            f"sampling.{name}: 0 is not neutral: proxies mark every request as not sampled, which silences "
            "applications that trace themselves (envoy#38222). To take tracing out: enabled: false."
        )
    if not sampling.client.is_integer():
        yield f"sampling.client: {sampling.client} is cut by Envoy to {int(sampling.client)} percent."


def _static_clusters(settings: MeshSettings) -> Iterator[str]:
    for index, cluster in enumerate(settings.static_clusters):
        for field in (field for field in cluster if snake_case(field) not in CLUSTER_FIELDS):
            near = difflib.get_close_matches(field, sorted(CLUSTER_FIELDS), n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            yield (
                f"static_clusters.{index}.{field}: is not a field of an Envoy cluster that this version knows. A proxy "
                f"whose Envoy does not know it either does not start.{hint}"
            )


def _dropped_fields(settings: MeshSettings) -> Iterator[str]:
    if settings.target == "consul":
        for key, service in settings.services.items():
            if "MaxRequestHeadersKB" in service.extra:
                yield (
                    f"services.{key}.extra.MaxRequestHeadersKB: is not written, because Pulumi's Consul provider 3.15 "
                    "does not know it. Set it with target: kubernetes, or outside Pulumi after each up."
                )


def declares_http(settings: MeshSettings) -> bool:
    """Whether a service of `settings`, or the default of the mesh, has an HTTP protocol."""
    protocols = {settings.default_protocol, *(service.protocol for service in settings.services.values())}
    return not protocols.isdisjoint(HTTP_PROTOCOLS)


def is_loopback(host: str) -> bool:
    """Whether `host` is the machine itself."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
