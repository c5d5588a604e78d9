"""Client of Consul's HTTP API, configured by the environment variables of Consul's own command line."""

import os
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Required
from urllib.parse import quote

from typing_extensions import TypedDict

from consul_tracing.errors import CommandError, error_reason
from consul_tracing.names import JsonObject

from .envoy import Node
from .http import SECONDS, HttpClient, basic_auth, one_line, parsed_url, shown_url

DEFAULT_ADDRESS = "127.0.0.1:8500"

SCHEMES = frozenset({"", "http", "https", "unix"})

PROXY_KINDS = frozenset({"connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"})

TRUE = frozenset({"1", "t", "true"})
"""Texts that Consul reads as true, in lower case. Ref: https://pkg.go.dev/strconv#ParseBool"""


class Registration(TypedDict, total=False):
    """A service of an agent."""

    Proxy: JsonObject | None


class Instance(TypedDict, total=False):
    """An instance of a service in the catalog."""

    Node: Required[str]
    ServiceID: Required[str]
    ServiceProxy: JsonObject | None
    Address: str
    """The address of the node."""
    ServiceAddress: str
    ServicePort: int


def consul_client(environment: Mapping[str, str] = os.environ) -> HttpClient:
    """Return a client of the Consul that `CONSUL_HTTP_ADDR` and the related variables name. Raises CommandError.

    Ref: https://developer.hashicorp.com/consul/commands#environment-variables
    """
    given = environment.get("CONSUL_HTTP_ADDR") or DEFAULT_ADDRESS
    scheme, _, place = given.rpartition("://")
    if scheme not in SCHEMES:
        raise CommandError(f'CONSUL_HTTP_ADDR must start with http://, https:// or unix://, got "{scheme}://"')
    # Consul never reverts to HTTP if CONSUL_HTTP_SSL requests TLS.
    secure = "https" if scheme == "https" or _is_true(environment.get("CONSUL_HTTP_SSL")) else "http"
    path = place if scheme == "unix" else None
    try:
        url = parsed_url(f"{secure}://{'localhost' if path else place}")
    except CommandError:
        raise CommandError("CONSUL_HTTP_ADDR must be an address such as 127.0.0.1:8500") from None
    auth = environment.get("CONSUL_HTTP_AUTH") or ""
    user, _, password = auth.partition(":")
    scope = {"ns": environment.get("CONSUL_NAMESPACE"), "partition": environment.get("CONSUL_PARTITION")}
    token = _token(environment)
    try:
        tls = _tls(environment)
    except (OSError, ValueError) as error:
        raise CommandError(f"the connection to Consul cannot be configured: {error}") from None
    address = one_line(given) if path else shown_url(url)
    return HttpClient(
        url=url,
        program="Consul",
        address=address,
        label=f"Consul at {address}",
        headers={**(basic_auth(user, password) if auth else {}), **({"x-consul-token": token} if token else {})},
        query={name: value for name, value in scope.items() if value},
        tls=tls,
        server_name=environment.get("CONSUL_TLS_SERVER_NAME") or None,
        connect=partial(_unix_socket, path) if path else None,
    )


def _unix_socket(path: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX)
    opened.settimeout(SECONDS)
    try:
        opened.connect(path)
    except OSError:
        opened.close()
        raise
    return opened


def registered_proxy(consul: HttpClient, node: Node) -> JsonObject | None:
    """Return the block `Proxy` of a registration, merged with proxy-defaults by Consul. None if Consul has none.

    The agent of the proxy knows the latest state. Other agents and servers read the catalog.
    `node`: the node in the bootstrap of the proxy.
    """
    metadata = node.get("metadata", {})
    scope = {"ns": metadata.get("namespace"), "partition": metadata.get("partition")}
    query = {name: value for name, value in scope.items() if value and value != "default"}
    if found := consul.get(f"/v1/agent/service/{quote(node['id'], safe='')}", Registration, **query):
        return found.get("Proxy") or {}
    for kind in ("connect", "service"):
        path = f"/v1/catalog/{kind}/{quote(node.get('cluster', ''), safe='')}"
        for instance in consul.get(path, list[Instance], **query, **{"merge-central-config": ""}) or []:
            is_node = metadata.get("node_name", instance["Node"]) == instance["Node"]
            if instance["ServiceID"] == node["id"] and is_node:
                return instance.get("ServiceProxy") or {}
    return None


def sidecars_of(consul: HttpClient, service: str) -> list[JsonObject]:
    """Return the blocks `Proxy` of the sidecars of a service, merged with proxy-defaults. Raises ServerError."""
    path = f"/v1/catalog/connect/{quote(service, safe='')}"
    found = consul.get(path, list[Instance], **{"merge-central-config": ""}) or []
    return [proxy for one in found if (proxy := one.get("ServiceProxy"))]


def proxied_services(consul: HttpClient) -> list[str]:
    """Return the services with a sidecar at an agent. Raises ServerError."""
    registered = consul.get("/v1/agent/services", dict[str, JsonObject]) or {}
    with consul.expected_shape():
        proxies = (one.get("Proxy") or {} for one in registered.values() if one.get("Kind") == "connect-proxy")
        return sorted({str(one.get("DestinationServiceName", "")) for one in proxies} - {""})


def sidecar_at(consul: HttpClient, host: str, port: int) -> str:
    """Return the service whose sidecar receives requests from the mesh at an address. Empty if there is none.

    A host name is compared with the addresses that it has here. Raises ServerError.
    """
    try:
        addresses = sorted({str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError):
        return ""
    is_there = " or ".join(
        f'ServiceAddress == "{one}" or (ServiceAddress == "" and Address == "{one}")' for one in addresses
    )
    query = {"filter": f'ServiceKind == "connect-proxy" and ServicePort == {port} and ({is_there})'}
    services = sorted(consul.get("/v1/catalog/services", dict[str, object], **query) or {})
    instances = [
        consul.get(f"/v1/catalog/service/{quote(one, safe='')}", list[Instance], **query) for one in services[:1]
    ]
    proxies = [one.get("ServiceProxy") or {} for found in instances for one in found or []]
    return next((str(one.get("DestinationServiceName", "")) for one in proxies), "")


def sidecar_addresses(consul: HttpClient, service: str) -> dict[str, str]:
    """Return the addresses of the sidecars of a service by their ids in the catalog. Raises ServerError."""
    found = consul.get(f"/v1/catalog/connect/{quote(service, safe='')}", list[Instance]) or []
    return {
        one["ServiceID"]: f"{one.get('ServiceAddress') or one.get('Address', '')}:{one.get('ServicePort', 0)}"
        for one in found
    }


def _token(environment: Mapping[str, str]) -> str | None:
    """Return the token. A file that is not empty has precedence over the variable, as in Consul's command line."""
    if file := environment.get("CONSUL_HTTP_TOKEN_FILE"):
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise CommandError(f"CONSUL_HTTP_TOKEN_FILE cannot be read: {error_reason(error)}: {file}") from None
        if token:
            return token
    return environment.get("CONSUL_HTTP_TOKEN")


def _tls(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return the TLS settings. A directory of authorities has files of any name, as in Consul's command line."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if file := environment.get("CONSUL_CACERT"):
        context.load_verify_locations(file)
    elif directory := environment.get("CONSUL_CAPATH"):
        files = [one for one in Path(directory).rglob("*") if one.is_file()]
        if not files:
            raise CommandError(f"CONSUL_CAPATH must be a directory with certificates, got {directory}")
        for one in files:
            context.load_verify_locations(one)
    else:
        context.load_default_certs()
    certificate, key = environment.get("CONSUL_CLIENT_CERT"), environment.get("CONSUL_CLIENT_KEY")
    if certificate and key:
        context.load_cert_chain(certificate, key)
    elif certificate or key:
        raise CommandError("CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY are required together")
    if (verified := environment.get("CONSUL_HTTP_SSL_VERIFY")) and not _is_true(verified):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_true(text: str | None) -> bool:
    return (text or "").lower() in TRUE
