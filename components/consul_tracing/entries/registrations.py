"""Tracing of single proxies: the keys of their registrations, which replace those of proxy-defaults.

Consul replaces a key of proxy-defaults as a whole. Such a proxy does not follow later changes of the key in the mesh.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypeVar

from consul_tracing.envoy import TYPE, percentages, proxy_environment
from consul_tracing.envoy_messages.messages import LISTENER_TRACING
from consul_tracing.inputs.proxies import proxies_of
from consul_tracing.names import LISTENER_KEY, PROXY_CONFIG_MAP, TEMPLATE, TRACER_KEY

from .bodies import canonical_json, tracing_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.inputs.entry_settings import ServiceTracing
    from consul_tracing.inputs.mesh_settings import MeshSettings

Value = TypeVar("Value")

OwnKeys = Literal["", "annotations", "registrations"]
"""Where proxies have tracing keys of their own: in annotations of pods, or in registrations. Empty: nowhere."""

SERVICE_NAME = "service.name"
"""The attribute of a resource that has precedence over the service name of the tracer."""


def proxy_config(settings: MeshSettings, proxy: ServiceTracing) -> dict[str, str]:
    """Return the keys in which the registration of a proxy differs from proxy-defaults. Empty without tracing."""
    return _differing(settings, proxy, tracing_config(settings))


def _differing(settings: MeshSettings, proxy: ServiceTracing, mesh: Mapping[str, str]) -> dict[str, str]:
    if not settings.enabled:
        return {}
    own = tracing_config(settings_of(settings, proxy)) if proxy.enabled else untraced(settings)
    return differing(own, mesh)


def differing(config: Mapping[str, Value], inherited: Mapping[str, object]) -> dict[str, Value]:
    """Return the keys in which the `Config` of a proxy differs from the one of proxy-defaults."""
    return {key: value for key, value in config.items() if key not in inherited or inherited[key] != value}


def untraced(settings: MeshSettings) -> dict[str, str]:
    """Return the keys of a proxy without a tracer.

    An empty text would keep the tracer of proxy-defaults. The listener samples no request: its decision is in
    `x-request-id`, which the next proxy obeys. A proxy without a tracer would decide for it at the rate of the mesh.
    """
    rates = percentages(settings.sampling.model_copy(update={"random": 0.0}))
    return {
        LISTENER_KEY: canonical_json({"@type": TYPE + LISTENER_TRACING, **rates}),
        TRACER_KEY: "{}",
    }


def settings_of(settings: MeshSettings, proxy: ServiceTracing) -> MeshSettings:
    """Return the settings of a mesh whose proxies all have the service name and the rate of one proxy."""
    tracer, sampling, name = settings.tracer, settings.sampling, proxy.service_name
    if proxy.sampling is not None:
        sampling = sampling.model_copy(update={"random": proxy.sampling})
    if tracer.datadog is not None:
        named = {"datadog": tracer.datadog.model_copy(update={"service_name": name})}
        tracer = tracer.model_copy(update=named)
    if tracer.opentelemetry is not None:
        attributes = {key: one for key, one in tracer.opentelemetry.resource_attributes.items() if key != SERVICE_NAME}
        own = {"service_name": name, "resource_attributes": attributes}
        tracer = tracer.model_copy(update={"opentelemetry": tracer.opentelemetry.model_copy(update=own)})
    return settings.model_copy(update={"tracer": tracer, "sampling": sampling})


def proxy_environments(settings: MeshSettings) -> dict[str, dict[str, str]]:
    """Return the environment variables for the proxies of each service, and the template."""
    return {
        service: proxy_environment(settings.tracer, str(one.service_name)) if settings.enabled else {}
        for service, one in proxies_of(settings).items()
    }


def proxy_annotations(settings: MeshSettings) -> dict[str, dict[str, str]]:
    """Return the annotations for the pods of each service, and the template."""
    mesh = tracing_config(settings)
    configs = {service: _differing(settings, one, mesh) for service, one in proxies_of(settings).items()}
    return {
        service: {PROXY_CONFIG_MAP: canonical_json(config)} if config else {} for service, config in configs.items()
    }


def own_keys(settings: MeshSettings) -> OwnKeys:
    """Return where proxies have tracing keys of their own, or had them before `enabled: false`."""
    is_declared = any(service.tracing for service in settings.services.values())
    if settings.target == "kubernetes":
        return "annotations" if is_declared or any(proxy_annotations(settings).values()) else ""
    return "registrations" if is_declared else ""


def annotations_of(service: str, proxy_annotations: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the annotations for the pods of one service, from the output `proxy_annotations` of a mesh.

    `service` is a name in Consul's catalog. A service of another stack gets the annotations of the template `*`.
    """
    if service in proxy_annotations:
        return dict(proxy_annotations[service])
    return {
        annotation: text.replace("{service}", _in_json(_in_json(service)))
        for annotation, text in proxy_annotations.get(TEMPLATE, {}).items()
    }


def _in_json(text: str) -> str:
    """Return text as it is within a text of JSON. The keys of the annotation are JSON within JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
