"""Rules of `lint` for single documents and for all documents together. Pure functions."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from difflib import get_close_matches
from itertools import pairwise
from typing import TYPE_CHECKING

from consul_tracing.access_logs import newer_formats
from consul_tracing.entries.bodies import BOOTSTRAP_KEYS
from consul_tracing.entry_structs import SCOPE
from consul_tracing.envoy import TYPE
from consul_tracing.envoy_messages.json_values import at, members, snake_case
from consul_tracing.envoy_messages.messages import LISTENER_TRACING, TRACING
from consul_tracing.envoy_messages.reader import is_json, read, read_listener
from consul_tracing.errors import format_value, mismatch
from consul_tracing.files.values import Map
from consul_tracing.inputs.tracers import (
    REPLACED,
    has_untraced_requests,
    is_public_listener,
    listener_problems,
    upstream_listeners,
)
from consul_tracing.inputs.types import SMALLEST_PERCENT
from consul_tracing.names import (
    EXTERNAL_SOURCE_KEY,
    HTTP_PROTOCOLS,
    LISTENER_KEY,
    OWNER_KEY,
    SPAN_ID_ENVOY,
    TRACER_KEY,
    TRACING_KEYS,
)

from .cluster_rules import cluster_issues, collector_issues, with_replaced_cluster
from .credentials import credential_issues
from .entry_fields import entry_field_issues
from .findings import Finding, Issue
from .meaning import entry_meaning, mesh_meaning
from .meshes import homes, is_mesh
from .proxy_config import UNKNOWN, ProxyConfig, entry_objects, proxy_config
from .registration_rules import OFF, SIMILARITY, decisions_of_untraced, registration_issues, without_inherited
from .releases import Releases
from .sampling_rules import consul_issues, listener_rate, missing_rates, sampling_issues
from .tracer_rules import mistake_issues, newer_issues, provider_issues, tracer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from consul_tracing.files.document import Document
    from consul_tracing.names import EnvoyRelease, FieldPath, JsonObject

    from .tracer_rules import Tracer

PROTOCOLS = frozenset({"tcp", *HTTP_PROTOCOLS})

OTHER_KEYS = frozenset(
    {
        *BOOTSTRAP_KEYS,
        "balance_inbound_connections",
        "bind_address",
        "bind_port",
        "connect_timeout_ms",
        "envoy_cluster_json",
        "envoy_dns_discovery_type",
        "envoy_gateway_bind_addresses",
        "envoy_gateway_bind_tagged_addresses",
        "envoy_gateway_no_default_bind",
        "envoy_gateway_remote_tcp_enable_keepalive",
        "envoy_listener_json",
        "envoy_local_cluster_json",
        "envoy_public_listener_json",
        "limits",
        "local_connect_timeout_ms",
        "local_idle_timeout_ms",
        "local_request_timeout_ms",
        "max_inbound_connections",
        "max_request_headers_kb",
        "passive_health_check",
        "protocol",
        "xds_fetch_timeout_ms",
    }
)
"""Keys of `Config` other than the tracing keys. Source: `agent/xds` and `command/connect/envoy` of Consul 1.22."""

CONFIG_KEYS = OTHER_KEYS | TRACING_KEYS.keys()

GATEWAYS = frozenset({"api-gateway", "ingress-gateway"})
"""Kinds of the gateways that mark requests as not sampled."""

CONFIGURATIONS = frozenset({"proxy-defaults", "registration"})
"""Kinds of documents that configure proxies."""

FIX_OF_OWN_RATE = 'Increase the rate. For no tracing, set envoy_tracing_json: "{}". Without the keys, the mesh decides.'
"""The fix of CT321 for one proxy."""

MAX_LISTED = 5

FRACTION = {("numerator",), ("denominator",)}
"""Fields of a fraction in a sampling rate, which have a finding of their own."""


def findings(documents: Sequence[Document], oldest: Releases | None = None) -> list[Finding]:
    """Return the findings of documents that belong to one mesh, in the order of the documents.

    `oldest`: the oldest Envoy and Consul of the mesh. Without them, the versions of fields are not checked.
    """
    oldest = oldest or Releases()
    base = mesh_config(documents)
    found = [one for document in documents for one in document_findings(document, base, oldest)]
    return found + _relations(documents)


def mesh_config(documents: Iterable[Document]) -> ProxyConfig | None:
    """Return the configuration that registrations inherit. None if it is unknown."""
    found = [document for document in documents if is_mesh(document)]
    return proxy_config(found[0].fields.get("Config")) if len(found) == 1 else None


def effective_configs(documents: Sequence[Document]) -> Iterator[tuple[Document, ProxyConfig]]:
    """Yield the configurations of the proxies of a mesh: of its entry, and of registrations over it."""
    base = mesh_config(documents)
    for document in documents:
        if document.kind in CONFIGURATIONS:
            yield document, _effective(document, proxy_config(document.fields.get("Config")), base)


def _effective(document: Document, own: ProxyConfig, base: ProxyConfig | None) -> ProxyConfig:
    return own if is_mesh(document) else own.over(base, is_gateway=bool(document.gateway))


def document_findings(document: Document, base: ProxyConfig | None, oldest: Releases) -> list[Finding]:
    """Return the findings of one document. `base`: the configuration that a registration inherits."""
    config = proxy_config(document.fields.get("Config"))
    effective = _effective(document, config, base)
    issues = [
        *config.issues,
        *document_issues(document, config, oldest.envoy),
        *listener_issues(document, config, effective),
    ]
    if document.kind in CONFIGURATIONS:
        issues += proxy_issues(document, config, effective, oldest, base)
    if document.kind == "registration":
        issues = without_inherited(issues, config, proxy_issues(document, base, base, oldest, base) if base else ())
        issues += registration_issues(document, config, effective, base, CONFIG_KEYS)
    return [located(document, issue) for issue in issues]


def located(document: Document, issue: Issue) -> Finding:
    """Return the finding of an issue, at the line of the innermost known key of its path."""
    is_live = document.form == "api"
    entry = f"{document.kind} {document.name}".strip() if document.kind == "registration" else title(document)
    line = None if is_live else line_of(document, issue.path) + issue.text_line
    return Finding(issue, document.file, line, entry)


def line_of(document: Document, path: FieldPath) -> int:
    """Return the line of a field. Files have snake_case or camelCase, and a single static cluster has no index."""
    lines = document.lines_in_snake_case
    names = tuple(map(snake_case, path))
    for one in (names, names[:2] + names[3:]):
        for length in range(len(one), 2, -1):
            if one[:length] in lines:
                return lines[one[:length]]
    return document.line_of(path)


def title(document: Document) -> str:
    """Return the name of an entry in messages."""
    return f"{document.kind}/{document.name}"


def document_issues(document: Document, config: ProxyConfig, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    """Yield the mistakes in the entry itself: its name, its keys, its protocol and its owners."""
    fields = document.fields
    match document.kind:
        case "proxy-defaults" if document.has_known_name and document.name not in {"global", ""}:
            reason = f'must be "global", got {format_value(document.name)}: Consul has one proxy-defaults entry'
            yield Issue("CT324", ("Name",), reason)
        case "service-defaults":
            yield from _service_issues(fields)
    yield from _key_issues(fields.get("Config"))
    yield from _repeated_issues(fields.get("Config"))
    yield from entry_field_issues(document, CONFIG_KEYS)
    yield from _owner_issues(members(fields.get("Meta")))
    yield from credential_issues(fields)
    yield from _log_issues(fields.get("AccessLogs"), envoy)
    if document.kind == "proxy-defaults" and "envoy_bootstrap_json_tpl" in config.others and config.tracer is not None:
        reason = "replaces Consul's bootstrap. Proxies do not trace unless the template contains the tracer"
        yield Issue("CT333", ("Config", "envoy_bootstrap_json_tpl"), reason)


def listener_issues(document: Document, config: ProxyConfig, effective: ProxyConfig) -> Iterator[Issue]:
    """Yield the mistakes in keys that replace a listener of Consul."""
    is_traced = isinstance(effective.tracer, dict) or isinstance(effective.listener, dict)
    keys = [(("Config", key), value) for key, value in config.others.items() if is_public_listener(key)]
    for path, value in [*keys, *upstream_listeners(document.fields)]:
        listeners = entry_objects(value)
        for problem in listener_problems(listeners, ".".join(path)):
            yield Issue("CT341", tuple(problem.path.split(".")), problem.reason)
        if is_traced and has_untraced_requests(listeners):
            yield Issue("CT342", path, REPLACED)


def _service_issues(fields: JsonObject) -> Iterator[Issue]:
    if keys := [key for key in members(fields.get("Config")) if key.lower() in TRACING_KEYS]:
        yield Issue("CT331", ("Config", keys[0]), "is not supported in service-defaults, which has no Config")
    if reason := _protocol_reason(fields.get("Protocol")):
        yield Issue("CT332", ("Protocol",), reason)


def _log_issues(logs: object, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    for field in newer_formats(members(logs), envoy):
        yield from newer_issues([(("AccessLogs", field), SPAN_ID_ENVOY)], envoy)


def _protocol_reason(protocol: object) -> str:
    """Return why a protocol is a mistake. Empty for the protocols of Consul and for an expression."""
    is_unknown = isinstance(protocol, str) and protocol and protocol.lower() not in PROTOCOLS
    return mismatch("one of tcp, http, http2, grpc", protocol) if is_unknown else ""


def _key_issues(config: object) -> Iterator[Issue]:
    if reason := _protocol_reason({key.lower(): value for key, value in members(config).items()}.get("protocol")):
        effect = "Consul takes it for tcp, which Envoy does not trace"
        yield Issue("CT332", ("Config", "protocol"), f"{reason}. {effect}")
    meant = {key: _meant_key(key.lower()) for key in members(config)}
    count = Counter(meant.values())
    for key, tracing_key in meant.items():
        if tracing_key and key.lower() != tracing_key:
            reason = f'is not a key of Consul; did you mean "{tracing_key}"? Consul ignores it'
            if count[tracing_key] > 1:
                # A second key would replace the first one.
                yield Issue("CT325", ("Config", key), reason, fix=f"Keep one of the keys that mean {tracing_key}.")
            else:
                yield Issue("CT325", ("Config", key), reason, replacement=(key, tracing_key))


def _repeated_issues(config: object) -> Iterator[Issue]:
    """Yield the keys that are set more than once, also in another case."""
    for key in sorted(config.replaced if isinstance(config, Map) else ()):
        yield Issue("CT354", ("Config", key), "is set more than once. Consul uses the last value")
    spellings: Mapping[str, list[str]] = defaultdict(list)
    for key in members(config):
        spellings[key.lower()].append(key)
    for name, keys in spellings.items():
        if name in CONFIG_KEYS and len(keys) > 1:
            used = name if name in keys else keys[0]
            effect = "Consul uses the other one" if name in keys else "Consul uses one or the other"
            for key in keys:
                if key != used:
                    yield Issue("CT354", ("Config", key), f"is also set as {format_value(used)}. {effect}")


def _meant_key(key: str) -> str:
    """Return the tracing key that a key is, or of which it is a misspelling. Empty if there is none."""
    if key in CONFIG_KEYS:
        return key if key in TRACING_KEYS else ""
    return next(iter(get_close_matches(key, TRACING_KEYS, 1, SIMILARITY)), "")


def _owner_issues(meta: JsonObject) -> Iterator[Issue]:
    if meta.get(EXTERNAL_SOURCE_KEY) == "kubernetes" and meta.get(OWNER_KEY):
        reason = f"names two owners: consul-k8s ({EXTERNAL_SOURCE_KEY}) and the stack {format_value(meta[OWNER_KEY])}"
        yield Issue("CT327", ("Meta",), reason)


def proxy_issues(
    document: Document, own: ProxyConfig, effective: ProxyConfig, oldest: Releases, base: ProxyConfig | None
) -> Iterator[Issue]:
    """Yield the mistakes in the tracing configuration of proxies.

    `own`: the keys of the document. `effective`: with the keys that a registration inherits from proxy-defaults.
    `base`: the keys of proxy-defaults.
    """
    yield from _tracer_issues(own.tracer, oldest.envoy)
    accepted = _rates_that_may_be_zero(document, own)
    for one in _listener_issues(own.listener, oldest.envoy):
        if one.code != "CT321":
            yield one
        elif one.path[-1] not in accepted:
            yield replace(one, fix=FIX_OF_OWN_RATE) if document.kind == "registration" else one
    yield from consul_issues(own.listener, oldest.consul)
    yield from cluster_issues(own.clusters, oldest.envoy)
    if (own.tracer, own.listener, own.clusters) == (None, None, None):
        return
    tracers = [one for one in _tracers(effective) if one is not None]
    if effective.tracer not in (None, OFF) and effective.listener is None:
        yield missing_rates(document, tracers)
    has_provider = isinstance(effective.listener, dict) and "provider" in effective.listener
    if effective.listener not in (None, UNKNOWN) and effective.tracer is None and not has_provider:
        reason = f"has no effect without a tracer. Set {TRACER_KEY}"
        yield Issue("CT334", ("Config", LISTENER_KEY), reason)
    for tracer in tracers:
        yield from sampling_issues(tracer, effective.listener, oldest.envoy)
    if isinstance(effective.clusters, list) or effective.clusters is None:
        replaced = base.clusters if base and own.clusters is not None and isinstance(base.clusters, list) else []
        for tracer in tracers:
            found = collector_issues(tracer, effective.clusters or [], on_kubernetes=document.is_on_kubernetes)
            yield from (with_replaced_cluster(one, tracer, replaced) for one in found)


def _rates_that_may_be_zero(document: Document, own: ProxyConfig) -> frozenset[str]:
    """Return the rates whose value 0 is intended.

    A proxy without a tracer must not decide for the next one. One service may have a rate of its own.
    """
    if own.tracer == OFF and "provider" not in members(own.listener):
        return frozenset({"random_sampling", "overall_sampling"})
    is_own = document.kind == "registration" and not at(own.listener, "random_sampling", "value")
    return frozenset({"random_sampling"} if is_own else ())


def _tracer_issues(content: object, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    if not isinstance(content, dict) or content == OFF:
        return
    path = ("Config", TRACER_KEY)
    mistakes = read(content, TRACING, path).mistakes
    yield from mistake_issues(one for one in mistakes if one.path[2:3] != ("http",))
    if not isinstance(content.get("http"), dict):
        yield Issue("CT304", (*path, "http"), "is required, a map with name and typed_config")
        return
    yield from provider_issues(content["http"], (*path, "http"), envoy)


def _listener_issues(content: object, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    if not isinstance(content, dict):
        return
    path = ("Config", LISTENER_KEY)
    kind = content.get("@type") or ""
    if is_json(kind) and str(kind).rpartition("/")[2] != LISTENER_TRACING:
        given = format_value(kind) if kind else "none"
        yield Issue("CT322", (*path, "@type"), f'must be "{TYPE}{LISTENER_TRACING}", got {given}')
        return
    reading = read_listener(content, path)
    provider = content.get("provider")
    # The provider has findings of its own.
    elsewhere = [one for one in reading.mistakes if one.path[2:3] != ("provider",) or not isinstance(provider, dict)]
    yield from mistake_issues(one for one in elsewhere if one.path[3:] not in FRACTION)
    if isinstance(provider, dict):
        yield from provider_issues(provider, (*path, "provider"), envoy)
    yield from newer_issues((one for one in reading.newer if one[0][2:3] != ("provider",)), envoy)
    yield from _rate_issues(reading.value, path)


def _rate_issues(listener: JsonObject, path: FieldPath) -> Iterator[Issue]:
    """Yield the mistakes in sampling rates, whose message is Envoy's `Percent`."""
    if "random_sampling" not in listener:
        yield Issue("CT319", (*path, "random_sampling"), "is required, because Envoy's default is 100 %")
    for name in ("client_sampling", "random_sampling", "overall_sampling"):
        if {"numerator", "denominator"} & members(listener.get(name)).keys():
            yield Issue("CT318", (*path, name), 'must be a percentage such as {"value": 1}, got a fraction')
            continue
        rate = listener_rate(listener, name)
        if name != "client_sampling" and rate is not None and rate < SMALLEST_PERCENT:
            reason = f"is {rate:g} %, which Envoy rounds to 0 %" if rate else "is 0 %"
            yield Issue("CT321", (*path, name), reason)


def _tracers(config: ProxyConfig) -> Iterator[Tracer | None]:
    if isinstance(config.tracer, dict):
        yield tracer_of(config.tracer.get("http"), ("Config", TRACER_KEY, "http"))
    if isinstance(config.listener, dict):
        yield tracer_of(config.listener.get("provider"), ("Config", LISTENER_KEY, "provider"))


def _relations(documents: Sequence[Document]) -> list[Finding]:
    """Return the findings between documents: two writers of one entry, and gateways that silence the mesh."""
    found = []
    home = homes(documents)
    written: Mapping[tuple[object, ...], list[Document]] = defaultdict(list)
    for document in documents:
        if document.kind in {"proxy-defaults", "service-defaults"} and not document.is_partial:
            written[home[document.file], *identity(document)].append(document)
    for versions in written.values():
        for first, second in pairwise(versions):
            if not _is_same(first, second):
                reason = f"{title(second)} is also declared in {first.file}:{first.line}, with other content"
                found.append(located(second, Issue("CT327", (), reason)))
    found += [located(*one) for one in decisions_of_untraced([*effective_configs(documents)])]
    gateways = sorted({one.name for one in documents if one.kind in GATEWAYS})
    for document in documents if gateways else ():
        if document.kind == "proxy-defaults" and proxy_config(document.fields.get("Config")).tracer is not None:
            names = ", ".join(gateways[:MAX_LISTED])
            reason = f"gateways mark requests without trace context as not sampled: {names}"
            found.append(located(document, Issue("CT329", ("Config", TRACER_KEY), reason)))
    return found


def identity(document: Document) -> tuple[str, ...]:
    """Return the kind, name, partition and namespace of an entry. Consul has one proxy-defaults entry per partition."""
    namespace, partition = (str(document.fields.get(field) or "default") for field in SCOPE)
    return document.kind, document.name, partition, "" if document.kind == "proxy-defaults" else namespace


def _is_same(first: Document, second: Document) -> bool:
    """Return whether two declarations of an entry have the same meaning."""
    return first.fields == second.fields or _meaning(first) == _meaning(second)


def _meaning(document: Document) -> JsonObject:
    if document.kind == "proxy-defaults":
        return mesh_meaning(document.fields)
    meaning = entry_meaning(document.fields)
    protocol = meaning.get("Protocol")
    return {**meaning, "Protocol": protocol.lower() if isinstance(protocol, str) else protocol}
