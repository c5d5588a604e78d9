"""Rules of `lint` for the configuration of single proxies: registrations and annotations of pods. Pure functions."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from consul_tracing.entries.propagation import propagation
from consul_tracing.entries.tracing_keys import TracingKeys
from consul_tracing.envoy_messages.json_values import at, members
from consul_tracing.envoy_messages.messages import TRACING
from consul_tracing.envoy_messages.reader import read, read_listener
from consul_tracing.envoy_messages.tracers import OPENTELEMETRY
from consul_tracing.errors import shortened
from consul_tracing.names import CLUSTERS_KEY, LISTENER_KEY, TRACER_KEY, TRACING_KEYS
from consul_tracing.severities import Severity

from .findings import Issue
from .sampling_rules import listener_rate, sampled_percent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from consul_tracing.files.document import Document
    from consul_tracing.names import FieldPath, JsonObject

    from .proxy_config import ProxyConfig

OFF: JsonObject = {}
"""The value with which a registration has no tracer. An empty text keeps that of proxy-defaults."""

TRACER, LISTENER = ("Config", TRACER_KEY), ("Config", LISTENER_KEY)

SIMILARITY = 0.75
"""Minimum similarity (0 to 1) at which an unknown key is a misspelt tracing key."""


def registration_issues(
    document: Document,
    own: ProxyConfig,
    effective: ProxyConfig,
    base: ProxyConfig | None,
    config_keys: Collection[str],
) -> Iterator[Issue]:
    """Yield what has no effect in a registration, and what contradicts the mesh.

    `effective`: the keys of the proxy. `base`: the keys that it inherits from proxy-defaults, None if unknown.
    `config_keys`: the keys that Consul knows.
    """
    yield from _unknown_keys(document, own, config_keys)
    yield from _empty_tracer(document, base)
    if own.tracer is not None and own.listener is None and at(effective.listener, "provider"):
        reason = f"has no effect: the tracer in {LISTENER_KEY} of proxy-defaults has precedence"
        yield Issue("CT357", TRACER, reason, fix=f"Set {LISTENER_KEY} in the registration too, without a provider.")
    elif base is not None and (own.tracer, own.listener) != (None, None):
        yield from _headers(own, effective, base)
        yield from _missing_sampler(own, effective, base)


def without_inherited(issues: Iterable[Issue], own: ProxyConfig, inherited: Iterable[Issue]) -> list[Issue]:
    """Return the issues without those of inherited keys that proxy-defaults has too. `inherited`: its issues."""
    values = {TRACER_KEY: own.tracer, LISTENER_KEY: own.listener, CLUSTERS_KEY: own.clusters}
    known = {(one.code, one.path, one.reason) for one in inherited if values.get(one.path[1]) is None}
    return [one for one in issues if (one.code, one.path, one.reason) not in known]


def _unknown_keys(document: Document, own: ProxyConfig, config_keys: Collection[str]) -> Iterator[Issue]:
    """Yield the keys in the annotation of a pod that have no effect. Misspelt tracing keys have another finding."""
    for key, value in own.others.items() if document.is_in_object else ():
        if key not in config_keys and not get_close_matches(key, TRACING_KEYS, 1, SIMILARITY):
            severity = None if isinstance(value, dict) else Severity.WARNING
            yield Issue("CT355", ("Config", key), "is not a key of Consul, which ignores it", severity=severity)


def _empty_tracer(document: Document, base: ProxyConfig | None) -> Iterator[Issue]:
    """Yield the tracer that is meant to be none. `null` in HCL is an argument that is not set."""
    if document.form == "api" or (base is not None and base.tracer is None):
        return
    for key, value in members(document.fields.get("Config")).items():
        is_null = value is None and (document.is_in_object or document.form in {"json", "yaml"})
        if key.lower() == TRACER_KEY and (value == "" or is_null):
            shown = "null" if is_null else "empty"
            yield Issue("CT357", ("Config", key), f"is {shown}: the proxy keeps the tracer of proxy-defaults")


def _headers(own: ProxyConfig, effective: ProxyConfig, base: ProxyConfig) -> Iterator[Issue]:
    """Yield the tracer that cannot continue the traces of the mesh."""
    found, others = propagation(keys_of(effective)), propagation(keys_of(base))
    if found and others and not found.is_compatible(others):
        reason = f"has no trace headers in common with that of proxy-defaults: {found.tracer}, {others.tracer}"
        yield Issue("CT356", _tracer_path(own), reason)


def _missing_sampler(own: ProxyConfig, effective: ProxyConfig, base: ProxyConfig) -> Iterator[Issue]:
    """Yield the tracer without the sampler that limits the rate of the mesh. A rate of its own is accepted."""
    if own.listener is not None or own.tracer is None or not _is_of_opentelemetry(base):
        return
    sampled = sampled_percent(base)
    if _is_of_opentelemetry(effective) and has_sampler(base) and not has_sampler(effective) and sampled < 100:  # noqa: PLR2004 - percent
        reason = (
            f"has no sampler, and that of proxy-defaults samples {sampled:g} %: this proxy starts a trace for each "
            "request without trace context"
        )
        yield Issue("CT359", TRACER, reason)


def decisions_of_untraced(proxies: Sequence[tuple[Document, ProxyConfig]]) -> Iterator[tuple[Document, Issue]]:
    """Yield the sidecars without a tracer whose decisions override the lower rates of other sidecars.

    A proxy decides by its listener, and marks the request id as sampled, also without a tracer. Samplers decide later.
    """
    rates = [
        (one, config, rate)
        for one, config in proxies
        if _is_sidecar(one) and (rate := _listener_rate(config)) is not None
    ]
    untraced = [(one, rate) for one, config, rate in rates if config.tracer == OFF]
    traced = [(one, config, rate) for one, config, rate in rates if config.tracer != OFF] if untraced else []
    deciding = [(one.name, rate) for one, config, rate in traced if not has_sampler(config)]
    for document, rate in untraced:
        if lower := {name: other for name, other in deciding if other < rate}:
            shown = shortened([f"{name or 'another proxy'} ({lower[name]:g} %)" for name in sorted(lower)])
            reason = (
                f"has no tracer, and still marks {rate:g} % of the requests without trace context as sampled, which "
                f"overrides lower rates behind it: {shown}"
            )
            yield document, Issue("CT358", TRACER, reason)


def _is_sidecar(document: Document) -> bool:
    """Return whether a document configures a sidecar. Gateways ignore the rate."""
    return document.kind == "registration" and not document.gateway


def _listener_rate(config: ProxyConfig) -> float | None:
    """Return the rate at which a listener starts traces. None if it is not known."""
    if not isinstance(config.listener, dict) or config.listener.get("provider"):
        return None
    listener = read_listener(config.listener).value
    rates = [listener_rate(listener, name) for name in ("random_sampling", "overall_sampling")]
    return min((one for one in rates if one is not None), default=None)


def keys_of(config: ProxyConfig) -> TracingKeys:
    """Return the canonical tracer and listener."""
    return TracingKeys(read(members(config.tracer), TRACING).value, read_listener(members(config.listener)).value)


def has_sampler(config: ProxyConfig) -> bool:
    """Return whether a tracer has a sampler, or may have one."""
    typed = at(keys_of(config).tracer, "typed_config")
    return typed is not None and (not isinstance(typed, dict) or "sampler" in typed)


def _is_of_opentelemetry(config: ProxyConfig) -> bool:
    kind = at(keys_of(config).tracer, "typed_config", "@type")
    return isinstance(kind, str) and kind.rpartition("/")[2] == OPENTELEMETRY


def _tracer_path(own: ProxyConfig) -> FieldPath:
    return (*LISTENER, "provider") if at(own.listener, "provider") else TRACER
