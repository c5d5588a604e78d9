"""Render settings in Consul's formats, without Pulumi and ownership metadata."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import yaml

from consul_tracing.entries.bodies import proxy_defaults, service_defaults, tracing_config
from consul_tracing.entries.custom_resources import API_VERSION, KINDS, spec_fields
from consul_tracing.entries.field_paths import body_from
from consul_tracing.entries.registrations import annotations_of, proxy_annotations, proxy_config, settings_of
from consul_tracing.errors import CommandError
from consul_tracing.inputs.proxies import named, proxies_of
from consul_tracing.names import CLUSTERS_KEY

from .hcl import attributes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.entries.entry import Entry
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import JsonObject


class RenderError(CommandError):
    """HCL cannot express a value."""

    code = "CT602"

    def __init__(self, path: Sequence[str], reason: str) -> None:
        """Report the path of the value and the reason."""
        super().__init__(f"{'.'.join(path)}: {reason}. Use --as json")


PER_HOST = "# consul-tracing: ignore=CT317 collector.per_host is true\n"
"""The comment with which `lint` accepts a collector beside every proxy."""


def accepted(settings: MeshSettings) -> str:
    """Return the comment for `lint` at the start of a file with the collector, empty if there is nothing to accept."""
    return PER_HOST if settings.collector.per_host else ""


def entries(settings: MeshSettings) -> list[Entry]:
    """Return all entries of the settings, services first: an HTTP default must not precede the tcp services."""
    return [*service_defaults(settings).values(), proxy_defaults(settings)]


def entries_of_consul(settings: MeshSettings) -> list[Entry]:
    """Return the entries without the namespaces of Kubernetes, which Consul does not have."""
    found = entries(settings)
    return [replace(one, namespace=None) for one in found] if settings.target == "kubernetes" else found


def entry_fields(entry: Entry) -> JsonObject:
    """Return the entry as `consul config write` reads it."""
    identity = {"Kind": entry.kind, "Name": entry.name, "Namespace": entry.namespace, "Partition": entry.partition}
    return {**{field: value for field, value in identity.items() if value}, **entry.body}


def as_json(entry: Entry) -> str:
    """Render an entry as JSON for `consul config write`."""
    return json.dumps(entry_fields(entry), indent=2, ensure_ascii=False)


def as_hcl(entry: Entry) -> str:
    """Render an entry as HCL for `consul config write`. Raises RenderError for a value that HCL cannot express."""
    return "\n".join(hcl_lines(entry_fields(entry)))


def as_yaml(settings: MeshSettings) -> str:
    """Render all entries as manifests of consul-k8s for `kubectl apply`."""
    return accepted(settings) + yaml_text(*(manifest(entry, settings) for entry in entries(settings)))


class Dumper(yaml.SafeDumper):
    """Quotes text such as `12e5` and `0o17`, which YAML 1.2 reads as a number, unlike PyYAML."""


Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"(?:[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?|0o[0-7]+)$", re.ASCII),
    list("-+.0123456789"),
)


def yaml_text(*documents: JsonObject) -> str:
    """Return YAML for readers of YAML 1.1 and 1.2: Python, and Go in kubectl and Pulumi."""
    return yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, allow_unicode=True)


def manifest(entry: Entry, settings: MeshSettings) -> JsonObject:
    """Build the custom resource of an entry."""
    declared = {field: values for field, values in settings.metadata if values}
    return {
        "apiVersion": API_VERSION,
        "kind": KINDS[entry.kind],
        "metadata": {"name": entry.name, "namespace": entry.namespace, **declared},
        "spec": spec_fields(body_from(entry.fields)),
    }


def as_registration(settings: MeshSettings, service: str | None) -> str:
    """Render tracing keys as the `proxy` block of a registration, for one proxy instead of the whole mesh.

    `service`: the service whose name is in the spans with OpenTelemetry and Datadog. If it has a `tracing` of its own,
    the keys are those in which it differs from the mesh. Otherwise they are those of a mesh without proxy-defaults.
    """
    config = tracing_config(settings)
    if service is not None:
        proxy = proxies_of(settings).get(service, named(service))
        is_own = proxy != named(service)
        config = proxy_config(settings, proxy) if is_own else tracing_config(settings_of(settings, proxy))
    comment = accepted(settings) if CLUSTERS_KEY in config else ""
    return comment + "\n".join(["proxy {", "  config {", *(f"    {line}" for line in hcl_lines(config)), "  }", "}"])


def as_pod_annotations(settings: MeshSettings, service: str | None) -> str:
    """Render the annotations for the pods of one service, or those of all services by name."""
    annotations = proxy_annotations(settings)
    return yaml_text(annotations if service is None else annotations_of(service, annotations))


def hcl_lines(fields: JsonObject) -> Iterator[str]:
    """Return the lines of a map in HCL 1, for Consul. Raises RenderError for a value that it reads otherwise."""
    _check(fields, ())
    return attributes(fields)


def _check(value: object, path: tuple[str, ...]) -> None:
    match value:
        case None:
            raise RenderError(path, "null is not supported in HCL")
        case str() if "${" in value:
            raise RenderError(path, '"${" is not supported in HCL, which reads it as an expression')
        case [_] if path[0] == "Config":
            raise RenderError(
                path, "a list with one element is not supported in HCL, because Consul reads it as the element"
            )
        case dict():
            for name, member in value.items():
                _check(name, path)
                _check(member, (*path, name))
        case list():
            for member in value:
                _check(member, path)
