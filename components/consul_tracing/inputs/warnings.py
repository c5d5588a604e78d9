"""Warnings about valid inputs with side effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.envoy_messages.json_values import json_objects
from consul_tracing.errors import format_rate, format_value, message
from consul_tracing.names import HTTP_PROTOCOLS, RESOURCE_ATTRIBUTE_SEPARATORS

from .collector_address import HTTPS_PORT, PORTS, loopback_reason, mesh_reason, namespace_reason, port_reason
from .hosts import is_loopback
from .proxies import proxies_of
from .static_clusters import unknown_fields
from .tracers import REPLACED, has_untraced_requests, is_public_listener, upstream_listeners

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
            "requests without trace context as not sampled.",
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
    yield from _opentelemetry_warnings(settings)
    yield from _collector_warnings(settings, single_machine=single_machine)
    yield from _static_cluster_warnings(settings)
    yield from service_warnings(settings)
    yield from _replacement_warnings(settings)


def _sampling_warnings(settings: MeshSettings) -> Iterator[str]:
    sampling = settings.sampling
    own = {
        f"services.{key}.tracing.sampling": service.tracing.sampling
        for key, service in settings.services.items()
        if service.tracing is not None and service.tracing.sampling is not None
    }
    for path, rate in {"sampling.random": sampling.random, **own}.items():
        if 0 < rate < PROBABLE_FRACTION:
            yield message(
                "CT519",
                f"{path}: {rate:g} means {format_rate(rate)}. "
                f"For {rate * 100:g} %, set {rate * 100:g}. Ignore this warning if the rate is intended.",
            )
    if 0 in (sampling.random, sampling.overall):
        name = "random" if sampling.random == 0 else "overall"
        yield message(
            "CT515",
            f"sampling.{name}: 0 also disables tracing in applications, because proxies mark every request as not "
            "sampled (envoyproxy/envoy#38222). To remove tracing from the proxies only, set enabled: false.",
        )
    for path in (path for path, rate in own.items() if rate == 0):
        yield message(
            "CT515",
            f"{path}: 0 also disables tracing in applications behind these proxies, because they mark every request "
            "without trace context as not sampled (envoyproxy/envoy#38222). To remove tracing from the proxies only, "
            f"set {path.removesuffix('sampling')}enabled: false.",
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
    if settings.tracer.zipkin is not None and settings.tracer.zipkin.headers:
        reason = "tracer.zipkin.headers"
    if settings.tracer.zipkin is not None and settings.tracer.zipkin.propagation == "b3+w3c":
        reason = 'tracer.zipkin.propagation: "b3+w3c"'
    if reason:
        yield message(
            "CT531",
            f"gateways: skip: Consul before 1.22.6 cannot parse {reason} in the listener, and then traces no request. "
            "Upgrade Consul first, or use gateways: join.",
        )


def _opentelemetry_warnings(settings: MeshSettings) -> Iterator[str]:
    tracer = settings.tracer.opentelemetry
    if tracer is None:
        return
    on_kubernetes = settings.target == "kubernetes"
    if tracer.service_name is None and "service.name" not in tracer.resource_attributes:
        proxy = "proxy without OTEL_RESOURCE_ATTRIBUTES in its environment"
        fix = (
            "Start each proxy with its variables from the output proxy_environment. "
            "Set service_name for proxies without these variables."
        )
        if on_kubernetes:
            proxy = "pod without the annotations of its service"
            fix = "Annotate the pods with the output proxy_annotations. Set service_name for pods without annotations."
        yield message(
            "CT512",
            f"tracer.opentelemetry.service_name is not set. Spans of a {proxy} have the service name "
            f"unknown_service:envoy. {fix}",
        )
    paths = {name: f"services.{key}" for key, name in settings.output_names.items()}
    unsupported = [
        f"{paths.get(name, 'tcp_services')} ({format_value(proxy.service_name)})"
        for name, proxy in proxies_of(settings).items()
        if proxy.enabled and not RESOURCE_ATTRIBUTE_SEPARATORS.isdisjoint(str(proxy.service_name))
    ]
    if unsupported and not on_kubernetes:
        yield message(
            "CT525",
            f"{', '.join(unsupported)}: spans do not have the service name, because Envoy cannot read a name with a "
            "comma or an equals sign from OTEL_RESOURCE_ATTRIBUTES. Use tracer.zipkin, or set "
            "services.<name>.tracing.service_name to a name without them.",
        )


def _collector_warnings(settings: MeshSettings, *, single_machine: bool) -> Iterator[str]:
    collector, on_kubernetes, own = settings.collector, settings.target == "kubernetes", settings.tracer.default_port
    reason = loopback_reason(collector.host, on_kubernetes=on_kubernetes)
    if reason and not collector.per_host and not single_machine:
        place, unit = ("in every pod", "Pods") if on_kubernetes else ("on every machine", "Machines")
        yield message(
            "CT513",
            f"collector.host: {reason}. {unit} without a collector lose their spans. Set the address of a shared "
            f"collector. If a collector runs {place}, set collector.per_host: true.",
        )
    if reason := port_reason(settings.collector_port, own, has_tls=collector.tls is not None):
        fix = "Set collector.tls" if settings.collector_port == HTTPS_PORT else "Set the tracer of this protocol"
        yield message(
            "CT527",
            f"collector.port: {reason}. A collector of another protocol rejects the spans, and proxies lose them. "
            f"{fix}, or collector.port: {own}. Ignore this warning if the collector receives {PORTS[own]} at "
            f"{settings.collector_port}.",
        )
    if collector.auth is not None and collector.tls is None and not is_loopback(collector.host):
        yield message(
            "CT537",
            f"collector.auth: proxies send the credential to {format_value(collector.host)} in plain text, because "
            "collector.tls is not set. Set collector.tls. Ignore this warning if the network is trusted.",
        )
    if on_kubernetes and (reason := namespace_reason(collector.host)):
        yield message(
            "CT528",
            f"collector.host: {reason}. Proxies in other namespaces do not find the collector. Set the full name, "
            f"such as {collector.host}.<namespace>.svc.cluster.local.",
        )
    if reason := mesh_reason(collector.host):
        yield message(
            "CT530",
            f"collector.host: {reason}. Set the address of the collector itself, such as "
            f"zipkin.{'observability.svc.cluster.local' if on_kubernetes else 'service.consul'}, and keep it out of "
            "the mesh.",
        )


def _static_cluster_warnings(settings: MeshSettings) -> Iterator[str]:
    for index, cluster in enumerate(settings.static_clusters):
        for field in unknown_fields(cluster):
            path = ".".join(("static_clusters", str(index), *field.path))
            reason = field.reason if field.reason.endswith("?") else f"{field.reason}."
            yield message("CT517", f"{path}: {reason} A proxy does not start with an unsupported field.")


def _replacement_warnings(settings: MeshSettings) -> Iterator[str]:
    if "envoy_bootstrap_json_tpl" in {key.lower() for key in settings.proxy_config}:
        yield message(
            "CT514",
            "proxy_config.envoy_bootstrap_json_tpl replaces Consul's bootstrap. Proxies do not trace unless the "
            "template contains the tracer. Remove the key, or add the tracer to the template.",
        )
    listeners = {f"proxy_config.{key}": text for key, text in settings.proxy_config.items() if is_public_listener(key)}
    for name, service in settings.services.items():
        for path, text in upstream_listeners(service.service_defaults):
            listeners[".".join(("services", name, "service_defaults", *path))] = text
    for place, text in listeners.items():
        if has_untraced_requests(json_objects(text)):
            yield message("CT529", f"{place} {REPLACED}. Remove the key, or add the block.")


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
