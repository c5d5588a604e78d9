"""Recovery of settings from config entries: the inputs of `MeshTracing` that render the same entries."""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Any, NamedTuple

from consul_tracing.entry_structs import SCOPE
from consul_tracing.envoy import ENCODINGS, authority, retried_seconds
from consul_tracing.envoy_messages.credential_filter import credential_of
from consul_tracing.envoy_messages.json_values import at
from consul_tracing.errors import CommandError, InputError
from consul_tracing.files.values import Unevaluated
from consul_tracing.inputs.args import MeshTracingArgs
from consul_tracing.inputs.hosts import canonical_host
from consul_tracing.inputs.mesh_settings import NEWER_INPUTS, MeshSettings
from consul_tracing.inputs.tracer_settings import Auth, Collector, Datadog, OpenTelemetry, Sampling, Span, Tls, Zipkin
from consul_tracing.inputs.types import OLDEST_ENVOY
from consul_tracing.lint.meaning import HOST_AND_PATH, message_of, socket_address
from consul_tracing.lint.meshes import is_mesh
from consul_tracing.names import (
    CLUSTERS_KEY,
    COLLECTOR_CLUSTER,
    HTTP_PROTOCOLS,
    LISTENER_KEY,
    SAMPLER_ENVOY,
    TRACER_KEY,
    TRACING_KEYS,
    release_text,
)

from .losses import (
    UNKNOWN_HOST,
    incomplete,
    is_known,
    loss,
    meaning_of,
    mesh_losses,
    other_losses,
    service_losses,
)
from .numbers import declared_rate, milliseconds, whole
from .proxies import with_proxies
from .spans import access_log_inputs, tag_inputs, without_log_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from consul_tracing.files.document import Document
    from consul_tracing.inputs.validation import Settings
    from consul_tracing.names import JsonObject

MAX_ROUNDS = 100
"""Maximum number of times that inputs are removed because the contract does not support them."""


class Recovered(NamedTuple):
    """Settings from config entries."""

    inputs: JsonObject
    """The inputs of `MeshTracing`, without defaults. Without `collector.host` if the tracing is not read completely."""

    losses: list[str]
    """A message for each part of the entries that the inputs do not express."""


def recover(documents: Sequence[Document]) -> Recovered:
    """Return the inputs that render the entries.

    Raises CommandError unless there is exactly one proxy-defaults entry, and for a service-defaults entry that occurs
    twice.
    """
    candidates = [document for document in documents if document.kind == "proxy-defaults"]
    meshes = list(filter(is_mesh, candidates)) or candidates
    if len(meshes) != 1:
        found = ", ".join(f"{one.file}:{one.line}" for one in meshes) or "none"
        raise CommandError(f"exactly one proxy-defaults entry is required, got {found}")
    mesh, services = meshes[0], service_documents(documents)
    if mesh.is_partial:
        reason = "must be a whole entry, got a patch or an entry with keys from a template"
        raise CommandError(f"{mesh.file}:{mesh.line}: proxy-defaults/global {reason}")
    old = meaning_of(mesh)
    protocol = at(known(old), "Config", "protocol")
    inputs = mesh_inputs(mesh, known(old))
    inputs |= service_inputs(services, inputs, protocol)
    settings = with_proxies(accepted(inputs), inputs, documents)
    losses = [*mesh_losses(mesh, old, settings), *service_losses(services, protocol, settings)]
    if settings.collector.port == settings.tracer.default_port:
        inputs["collector"].pop("port", None)
    if reason := incomplete(mesh, old, settings):
        inputs.pop("enabled", None)
        del inputs["collector"]["host"]
        fix = "Complete the inputs and set it: a stack without it is rejected"
        losses.append(loss(mesh, (), f"collector.host is left out, because {reason}. {fix}"))
    return Recovered(ordered(inputs), [*losses, *other_losses(documents, settings)])


def service_documents(documents: Sequence[Document]) -> dict[str, Document]:
    """Return the service-defaults entries by their key in `services`: their name, or one that no other service has."""
    names = {document.name for document in documents if document.kind == "service-defaults"}
    found: dict[str, Document] = {}
    seen: dict[tuple[str, ...], Document] = {}
    for document in documents:
        if document.kind == "service-defaults" and is_known(document) and not document.is_partial:
            scope = [str(document.fields.get(field, "")) for field in SCOPE[::-1]]
            first = seen.setdefault((document.name, *scope), document)
            if first is not document:
                reason = f"{document.file}:{document.line}: service-defaults/{document.name} is already in"
                raise CommandError(f"{reason} {first.file}:{first.line}")
            longer = "-".join(filter(None, [document.name, *scope]))
            keys = chain([document.name, longer], (f"{longer}-{number}" for number in count(2)))
            found[next(key for key in keys if key not in found and (key == document.name or key not in names))] = (
                document
            )
    return found


def mesh_inputs(mesh: Document, meaning: JsonObject) -> JsonObject:
    """Return the inputs of a proxy-defaults entry with this meaning."""
    found = meaning.get("Config")
    found = found if isinstance(found, dict) else {}
    config = {key: value for key, value in found.items() if key not in TRACING_KEYS}
    protocol = config.pop("protocol", None)
    inputs = tracing_inputs(found)
    if mesh.is_on_kubernetes:
        inputs |= {"target": "kubernetes"}
        if mesh.is_custom_resource and mesh.fields.get("Namespace", "consul") != "consul":
            inputs["namespace"] = mesh.fields["Namespace"]
    elif (partition := mesh.fields.get("Partition", "default")) != "default":
        inputs["partition"] = partition
    further = {field: value for field, value in meaning.items() if field != "Config"}
    if logs := access_log_inputs(further.get("AccessLogs"), inputs):
        inputs, further = {**inputs, **logs}, without_log_fields(further)
    inputs |= {"default_protocol": protocol, "proxy_config": config, "proxy_defaults": further, "existing": "adopt"}
    return {key: value for key, value in known(inputs).items() if value not in (None, {}, [])}


def service_inputs(services: Mapping[str, Document], mesh: JsonObject, protocol: object) -> JsonObject:
    """Return `services`, and `tcp_services` if the protocol of the mesh is HTTP."""
    declared, tcp = {}, []
    for key, document in services.items():
        fields = known(meaning_of(document, protocol))
        service = {"protocol": fields.pop("Protocol", None) or "tcp"}
        if key != document.name:
            service["name"] = document.name
        homes = {"Namespace": mesh.get("namespace", "consul") if document.is_custom_resource else "default"}
        homes["Partition"] = mesh.get("partition", "default")
        for field, home in homes.items():
            value = document.fields.get(field, home)
            if value != home:
                service[field.lower()] = value
        if fields:
            service["service_defaults"] = fields
        if service == {"protocol": "tcp"} and protocol in HTTP_PROTOCOLS:
            tcp.append(key)
        else:
            declared[key] = service
    return {"services": declared, **({"tcp_services": tcp} if protocol in HTTP_PROTOCOLS else {})}


def tracing_inputs(config: JsonObject) -> JsonObject:
    """Return the inputs of the tracing keys, which have their defaults filled in."""
    clusters = config.get(CLUSTERS_KEY)
    clusters = dict(clusters) if isinstance(clusters, dict) else {}
    cluster = clusters.pop(COLLECTOR_CLUSTER, {})
    # In the order in which they are rendered.
    inputs: JsonObject = {"static_clusters": [cluster for _, cluster in sorted(clusters.items())]}
    listener = config.get(LISTENER_KEY)
    bootstrap = at(config, TRACER_KEY, "http")
    provider = bootstrap or at(listener, "provider")
    collector = collector_inputs(cluster)
    tracer = tracer_inputs(provider, collector)
    if not tracer:
        return {"enabled": False, "collector": {"host": UNKNOWN_HOST}, **inputs}
    timeout = export_timeout(at(provider, "typed_config"))
    collector |= without_defaults(Collector, {"export_timeout_ms": timeout})
    inputs |= {"collector": collector, "tracer": tracer}
    if bootstrap is None:
        inputs["gateways"] = "skip"
    inputs |= listener_inputs(listener)
    is_old = False
    if "opentelemetry" in tracer:
        sampler = sampler_inputs(at(provider, "typed_config", "sampler"))
        is_old = not sampler
        inputs |= sampler or {"envoy_version": release_text(OLDEST_ENVOY)}
    newer = [since for path, since in NEWER_INPUTS.items() if at(inputs, *path.split(".")) is not None]
    if newer and not is_old:
        inputs["envoy_version"] = release_text(max(newer))
    return inputs


def sampler_inputs(sampler: object) -> JsonObject:
    """Return `sampling` and the oldest Envoy with samplers. Empty without a sampler."""
    if sampler is None:
        return {}
    rate = at(sampler, "wrapped_sampler", "sampling_percentage")
    sampling = without_defaults(Sampling, {"random": whole(rate)})
    return {"sampling": sampling, "envoy_version": release_text(SAMPLER_ENVOY)}


def listener_inputs(listener: object) -> JsonObject:
    """Return `sampling`, `spans` and `tags`."""
    rates = {rate: declared_rate(at(listener, f"{rate}_sampling", "value")) for rate in Sampling.model_fields}
    inputs: JsonObject = {
        "sampling": without_defaults(Sampling, rates),
        "spans": without_defaults(Span, {field: at(listener, field) for field in Span.model_fields}),
        "tags": {},
    }
    tags = at(listener, "custom_tags")
    for name, tag in tags.items() if isinstance(tags, dict) else ():
        if found := tag_inputs(tag):
            inputs["tags"][name] = found
    return inputs


def collector_inputs(cluster: object) -> JsonObject:
    """Return the inputs of the collector's cluster."""
    address = socket_address(cluster)
    host = at(address, "address")
    values = {"port": at(address, "port_value"), "connect_timeout_ms": milliseconds(at(cluster, "connect_timeout"))}
    tls = tls_inputs(at(cluster, "transport_socket", "typed_config"), host)
    is_host = isinstance(host, str) and canonical_host(host) is not None
    return {
        "host": host if is_host else UNKNOWN_HOST,
        **without_defaults(Collector, values),
        **({"tls": tls} if tls else {}),
        **({"auth": without_defaults(Auth, auth._asdict())} if (auth := credential_of(cluster)) else {}),
    }


def tls_inputs(context: object, host: object) -> JsonObject:
    """Return the inputs of an `UpstreamTlsContext`. Empty without authorities, which TLS requires."""
    common = at(context, "common_tls_context")
    validation = at(common, "validation_context")
    if (ca_file := at(validation, "trusted_ca", "filename")) is None:
        return {}
    name = at(validation, "match_typed_subject_alt_names", 0, "matcher", "exact") or at(context, "sni")
    certificate = at(common, "tls_certificates", 0)
    files = {
        "ca_file": ca_file,
        "server_name": None if name == str(host).rstrip(".") else name,
        "certificate_file": at(certificate, "certificate_chain", "filename"),
        "key_file": at(certificate, "private_key", "filename"),
    }
    return {field: value for field, value in files.items() if field in Tls.model_fields and value is not None}


def tracer_inputs(provider: object, collector: JsonObject) -> JsonObject:
    """Return `tracer`. Empty for a tracer that is not supported."""
    config, host = at(provider, "typed_config"), authority(str(collector["host"]))
    match message_of(provider):
        case "ZipkinConfig":
            hostname = at(config, "collector_hostname")
            encodings = {version: encoding for encoding, version in ENCODINGS.items()}
            values = {
                "path": at(config, "collector_endpoint"),
                "encoding": encodings.get(str(at(config, "collector_endpoint_version"))),
                "trace_id_128bit": at(config, "trace_id_128bit"),
                "shared_span_context": at(config, "shared_span_context"),
                "hostname": None if hostname == host else hostname,
                "propagation": {"USE_B3_WITH_W3C_PROPAGATION": "b3+w3c"}.get(str(at(config, "trace_context_option"))),
                "headers": at(config, "request_headers_to_add"),
            }
            return {"zipkin": without_defaults(Zipkin, values)}
        case "OpenTelemetryConfig":
            return {"opentelemetry": opentelemetry_inputs(config)}
        case "DatadogConfig":
            return {"datadog": without_defaults(Datadog, {"service_name": at(config, "service_name")})}
        case _:
            return {}


def opentelemetry_inputs(config: object) -> JsonObject:
    """Return the inputs of Envoy's OpenTelemetry tracer."""
    is_http = at(config, "http_service") is not None
    path = HOST_AND_PATH.fullmatch(str(at(config, "http_service", "http_uri", "uri")))
    headers = "request_headers_to_add" if is_http else "initial_metadata"
    retries = whole(at(config, "grpc_service", "retry_policy", "num_retries"))
    attributes = [at(detector, "attributes") for detector in at(config, "resource_detectors") or []]
    values = {
        "transport": "http" if is_http else "grpc",
        "path": path[2] if is_http and path else None,
        "service_name": at(config, "service_name") or None,
        "resource_attributes": next((one for one in attributes if one), None),
        "headers": at(config, "http_service" if is_http else "grpc_service", headers),
        "max_cache_size": at(config, "max_cache_size"),
        "retry_seconds": retried_seconds(retries) if isinstance(retries, int) else None,
    }
    return without_defaults(OpenTelemetry, values)


def export_timeout(config: object) -> object:
    """Return the timeout of an export of OTLP over HTTP in milliseconds. gRPC ignores it."""
    return milliseconds(at(config, "http_service", "http_uri", "timeout"))


def without_defaults(group: type[Settings], values: JsonObject) -> JsonObject:
    """Return the values that differ from the defaults of their settings."""
    defaults = {name: field.get_default(call_default_factory=True) for name, field in group.model_fields.items()}
    return {name: value for name, value in values.items() if value is not None and value != defaults[name]}


def known(value: object) -> Any:  # noqa: ANN401 - any value
    """Return a value without its unknown parts."""
    match value:
        case dict():
            return {key: known(member) for key, member in value.items() if not isinstance(member, Unevaluated)}
        case list():
            return [known(member) for member in value if not isinstance(member, Unevaluated)]
        case _:
            return value


def ordered(inputs: JsonObject) -> JsonObject:
    """Return the inputs in the order of their documentation, without empty ones."""
    names = [name for name in MeshTracingArgs.__annotations__ if name in inputs]
    defaults: tuple[object, ...] = ({}, [], {"zipkin": {}})
    return {name: inputs[name] for name in names if inputs[name] not in defaults or name == "tcp_services"}


def accepted(inputs: JsonObject) -> MeshSettings:
    """Validate the inputs, after removal of those that the contract does not support."""
    for _ in range(MAX_ROUNDS):
        try:
            return MeshSettings.of("mesh", inputs)
        except InputError as error:
            removed = {removable(inputs, problem.path) for problem in error.problems} - {()}
            if not removed:
                raise
            # The last ones first, so that the indexes of others remain.
            for steps in sorted(removed, reverse=True):
                remove(inputs, *steps)
    raise CommandError("the entries have too many fields that are not supported")


def removable(inputs: JsonObject, path: str) -> tuple[str | int, ...]:
    """Return the steps to the input of a problem: a field, or the whole tag, cluster, service or field around it."""
    steps = tuple(_steps(inputs, path))
    if not steps or steps in {("collector",), ("collector", "host")}:
        return ()
    is_further = steps[2:3] == ("service_defaults",) and len(steps) > 3  # noqa: PLR2004 - its field
    depths = {**dict.fromkeys(("static_clusters", "proxy_config", "proxy_defaults", "tags"), 2)}
    return steps[: {**depths, "services": 4 if is_further else 2}.get(str(steps[0]))]


def remove(inputs: JsonObject, *steps: str | int) -> None:
    """Remove an input, and a map that is empty without it."""
    holder = at(inputs, *steps[:-1])
    if isinstance(holder, list):
        del holder[int(steps[-1])]
    elif isinstance(holder, dict):
        holder.pop(str(steps[-1]), None)
        if not holder and steps[-2] in {"headers", "resource_attributes", "service_defaults"}:
            remove(inputs, *steps[:-1])


def _steps(inputs: JsonObject, path: str) -> Iterator[str | int]:
    """Yield the keys and indexes of a path as far as they exist. A key can contain dots."""
    holder: Any = inputs
    while path:
        if isinstance(holder, list):
            index = path.partition(".")[0]
            steps = [int(index)] if index.isdigit() and int(index) < len(holder) else []
        else:
            keys = holder if isinstance(holder, dict) else {}
            steps = sorted((key for key in keys if f"{path}.".startswith(f"{key}.")), key=len)[-1:]
        if not steps:
            return
        yield steps[0]
        holder, path = holder[steps[0]], path[len(str(steps[0])) + 1 :]
