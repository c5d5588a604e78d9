"""The entries of a live mesh, and the rules that need its services."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from consul_tracing.entries.registrations import differing
from consul_tracing.entry_structs import DROPPED_BY_PROVIDER, ENTRY_STRUCTS, IDENTITY_FIELDS, READ_ONLY_FIELDS
from consul_tracing.envoy_messages.json_values import members
from consul_tracing.errors import shortened
from consul_tracing.files.documents import read_documents
from consul_tracing.lint.findings import Finding, Issue
from consul_tracing.lint.proxy_config import proxy_config
from consul_tracing.lint.rules import title
from consul_tracing.names import EXTERNAL_SOURCE_KEY, HTTP_PROTOCOLS, JsonObject
from consul_tracing.sources.consul import PROXY_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from consul_tracing.files.document import Document
    from consul_tracing.sources.http import HttpClient

ENTRY_KINDS = ("proxy-defaults", "service-defaults", "ingress-gateway", "api-gateway")

MAX_LISTED = 10
"""Services that a finding lists."""


def consul_documents(client: HttpClient) -> list[Document]:
    """Return the entries of a Consul, and the registrations of proxies at its agent. Raises CommandError."""
    entries = [entry for kind in ENTRY_KINDS for entry in client.get(f"/v1/config/{kind}", list[JsonObject]) or []]
    inherited = next((members(entry.get("Config")) for entry in entries if entry.get("Kind") == "proxy-defaults"), {})
    services = (client.get("/v1/agent/services", dict[str, JsonObject]) or {}).values()
    # An agent adds the keys of proxy-defaults to each registration.
    registrations = [
        {"name": service.get("Service"), "kind": service["Kind"], "proxy": {"config": differing(config, inherited)}}
        for service in services
        if str(service.get("Kind")) in PROXY_KINDS and (config := members(members(service.get("Proxy")).get("Config")))
    ]
    return documents_of([*entries, *registrations], client.address)


def documents_of(objects: Iterable[JsonObject], origin: str) -> list[Document]:
    """Return the documents in objects of an API."""
    documents = read_documents(json.dumps(list(objects)), "entries.json", is_live=True)
    return [replace(document, file=origin, form="api") for document in documents]


def service_findings(documents: Sequence[Document], services: Iterable[str], origin: str) -> Iterator[Finding]:
    """Yield the findings about the protocols of the services in the catalog."""
    declared = {one.name: str(one.fields.get("Protocol") or "") for one in documents if one.kind == "service-defaults"}
    mesh = next((one for one in documents if one.kind == "proxy-defaults"), None)
    default = str(proxy_config(mesh.fields.get("Config")).others.get("protocol", "")).lower() if mesh else ""
    undeclared = sorted(name for name in services if not declared.get(name))
    if default in HTTP_PROTOCOLS and undeclared:
        names = shortened(undeclared, MAX_LISTED)
        issue = Issue("CT328", ("Config", "protocol"), f'is "{default}" for services without an entry: {names}')
        yield Finding(issue, origin, None, "proxy-defaults/global")
    protocols = {default, *(protocol.lower() for protocol in declared.values())}
    if mesh and protocols.isdisjoint(HTTP_PROTOCOLS):
        yield Finding(Issue("CT335", (), "no service has the protocol http, http2 or grpc"), origin, None, "services")


def dropped_findings(documents: Iterable[Document]) -> Iterator[Finding]:
    """Yield the fields of entries that the next write of Pulumi's Consul provider removes.

    Entries of consul-k8s are excluded, which the provider does not write.
    """
    for one in documents:
        struct = ENTRY_STRUCTS.get(one.kind)
        if struct is None or members(one.fields.get("Meta")).get(EXTERNAL_SOURCE_KEY) == "kubernetes":
            continue
        kept = {*struct.fields, *IDENTITY_FIELDS, *READ_ONLY_FIELDS} - {*DROPPED_BY_PROVIDER.get(one.kind, ())}
        for field in sorted(one.fields.keys() - kept):
            issue = Issue("CT360", (field,), "is dropped when Pulumi's Consul provider 3.15 writes the entry")
            yield Finding(issue, one.file, None, title(one))


def catalog_services(client: HttpClient) -> list[str]:
    """Return the names of the services of a Consul, without proxies and gateways. Raises CommandError."""
    names = client.get("/v1/catalog/services", JsonObject, filter='ServiceKind == ""') or {}
    return sorted(names.keys() - {"consul"})
