"""Warnings about valid inputs with side effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.errors import format_value, message, with_suggestion
from consul_tracing.names import HTTP_PROTOCOLS, RESOURCE_ATTRIBUTE_SEPARATORS

from .envoy_json import snake_case
from .hosts import is_loopback
from .static_clusters import CLUSTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .entry_settings import EntrySettings
    from .mesh_settings import MeshSettings


PROBABLE_FRACTION = 0.1
"""A rate below this one is probably a fraction of 1 instead of a percentage."""


def setting_warnings(settings: MeshSettings, *, single_machine: bool, http_elsewhere: bool = False) -> Iterator[str]:
    """Return the warnings about the settings, each with its fix.

    `single_machine`: the whole mesh runs on this machine, so that all proxies reach a collector on localhost.
    `http_elsewhere`: a service outside of these settings has an HTTP protocol.
    """
    if not settings.enabled:
        yield message(
            "CT510",
            "enabled: false takes effect in a proxy when it restarts. Until then the proxy keeps its tracer, and marks "
            "requests without trace context as not sampled. Restart every proxy after this update.",
        )
        return
    yield from _sampling_warnings(settings)
    yield from _listener_warnings(settings)
    if not http_elsewhere and not declares_http(settings):
        yield message(
            "CT511",
            "services: no service has the protocol http, http2 or grpc. Consul's default protocol is tcp, which Envoy "
            "does not trace. Declare the HTTP services in services.",
        )
    if settings.tracer.opentelemetry is not None and settings.tracer.opentelemetry.service_name is None:
        yield message(
            "CT512",
            "tracer.opentelemetry.service_name is not set. Spans of a proxy without OTEL_RESOURCE_ATTRIBUTES in its "
            "environment have the service name unknown_service:envoy. Start each proxy with its variables from "
            "the output proxy_environment. Set service_name for proxies without these variables.",
        )
    if settings.tracer.opentelemetry is not None:
        names = sorted(name for name in settings.service_names if not RESOURCE_ATTRIBUTE_SEPARATORS.isdisjoint(name))
        if names:
            yield message(
                "CT525",
                f"services: {', '.join(map(format_value, names))}: spans do not have the service name, because Envoy "
                "cannot read a name with a comma or an equals sign from OTEL_RESOURCE_ATTRIBUTES. Use tracer.zipkin.",
            )
    if not single_machine and is_loopback(settings.collector.host):
        yield message(
            "CT513",
            f'collector.host: "{settings.collector.host}" is the own host of each proxy. '
            "Machines without a collector lose their spans. Set the address of a shared collector, or run a collector "
            "on every machine.",
        )
    yield from _static_cluster_warnings(settings)
    yield from service_warnings(settings)
    if "envoy_bootstrap_json_tpl" in {key.lower() for key in settings.proxy_config}:
        yield message(
            "CT514",
            "proxy_config.envoy_bootstrap_json_tpl replaces Consul's bootstrap. Proxies do not trace unless the "
            "template contains the tracer. Remove the key, or add the tracer to the template.",
        )


def _sampling_warnings(settings: MeshSettings) -> Iterator[str]:
    sampling = settings.sampling
    if 0 < sampling.random < PROBABLE_FRACTION:
        yield message(
            "CT519",
            f"sampling.random: {sampling.random:g} means {sampling.random:g} %. "
            f"For {sampling.random * 100:g} %, set {sampling.random * 100:g}. Ignore this warning if "
            "the rate is intended.",
        )
    if 0 in (sampling.random, sampling.overall):
        name = "random" if sampling.random == 0 else "overall"
        yield message(
            "CT515",
            f"sampling.{name}: 0 also disables tracing in applications, because proxies mark every request as not "
            "sampled (envoyproxy/envoy#38222). To remove tracing from the proxies only, set enabled: false.",
        )
    if not sampling.client.is_integer():
        whole = int(sampling.client)
        yield message(
            "CT516", f"sampling.client: Envoy rounds {sampling.client} down to {whole} percent. Set a whole number."
        )


def _listener_warnings(settings: MeshSettings) -> Iterator[str]:
    """Return a warning if older versions of Consul cannot parse the tracer in the listener."""
    if settings.gateways != "skip":
        return
    reason = "the sampler of tracer.opentelemetry" if settings.has_sampler else ""
    if settings.tracer.zipkin is not None and settings.tracer.zipkin.propagation == "b3+w3c":
        reason = 'tracer.zipkin.propagation: "b3+w3c"'
    if reason:
        yield message(
            "CT539",
            f"gateways: skip: Consul before 1.22.6 cannot parse {reason} in the listener, and then traces no request. "
            "Upgrade Consul first, or use gateways: join.",
        )


def _static_cluster_warnings(settings: MeshSettings) -> Iterator[str]:
    for index, cluster in enumerate(settings.static_clusters):
        for field in (field for field in cluster if snake_case(field) not in CLUSTER):
            reason = "is not a field of an Envoy cluster, and a proxy does not start with an unsupported field"
            yield message(
                "CT517", f"static_clusters.{index}.{field}: {with_suggestion(reason, field, sorted(CLUSTER))}"
            )


def service_warnings(settings: EntrySettings) -> Iterator[str]:
    """Return the warnings about the declared services."""
    if settings.target == "consul":
        for key, service in settings.services.items():
            if "MaxRequestHeadersKB" in service.service_defaults:
                yield message(
                    "CT518",
                    f"services.{key}.service_defaults.MaxRequestHeadersKB: is not written, because Pulumi's Consul "
                    "provider 3.15 does not support it. Set target: kubernetes, or set the field outside of Pulumi "
                    "after each update.",
                )


def declares_http(settings: MeshSettings) -> bool:
    """Return whether a declared service, or the default of the mesh, has an HTTP protocol."""
    protocols = {settings.default_protocol, *(service.protocol for service in settings.services.values())}
    return not protocols.isdisjoint(HTTP_PROTOCOLS)
