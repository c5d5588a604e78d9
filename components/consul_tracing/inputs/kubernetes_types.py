"""Field types for Zipkin on Kubernetes. They reject values that the API server accepts in a preview."""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from consul_tracing.errors import Problem, format_value
from consul_tracing.names import MANAGED_ANNOTATIONS, UNRESOLVED, JsonObject

from .hosts import canonical_host, is_address, is_loopback
from .types import Count, EnvironmentVariable, json_object, matching, whole_number
from .validation import invalid_members, invalid_value, must_be

if TYPE_CHECKING:
    from collections.abc import Sequence

DOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
MEMORY = re.compile(r"(?P<amount>\d+(\.\d+)?)(?P<unit>Ki|Mi|Gi|Ti|k|M|G|T)?")
IMAGE = re.compile(
    r"([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:\d+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:(?P<tag>\w[\w.-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
CREDENTIAL = re.compile(r"PASSWORD|PASSWD|(^|_)PASS$|SECRET|TOKEN|ACCESS_KEY|API_KEY|PRIVATE_KEY", re.IGNORECASE)
USER_IN_URL = re.compile(r"://[^/\s@]*:[^/\s@]*@")

ELASTICSEARCH_TRANSPORT_PORT = 9300
DEFAULT_PORTS = {"http": 80, "https": 443}
CASSANDRA_PORT = 9042
LARGEST_USER_ID = 2**31 - 1
SMALLEST_MEMORY = 256 * 1024**2
"""Bytes. In less memory, Zipkin's code leaves no space for spans."""

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
"""Kubernetes' units of memory, in bytes."""


def image(value: str) -> str:
    """Validate a container image with a version. `latest` and a missing tag can change at each start of a pod."""
    parts = IMAGE.fullmatch(value)
    if not parts:
        raise must_be("an image such as registry.example.com:5000/zipkin:3.6.1 or zipkin@sha256:<digest>", value)
    if parts["tag"] == "latest" or not (parts["tag"] or parts["digest"]):
        raise must_be("an image with a version, such as :3.6.1, or a digest", value)
    return value


def is_slim(reference: str) -> bool:
    """Return whether an image is the slim variant of Zipkin, by its repository or its tag."""
    return "slim" in reference.partition("@")[0].rpartition("/")[2]


def memory(value: str) -> str:
    """Validate an amount of memory in which Zipkin starts."""
    if not MEMORY.fullmatch(value):
        raise must_be('an amount of memory such as "512Mi" or "2Gi"', value)
    if bytes_of(value) < SMALLEST_MEMORY:
        raise must_be('at least "256Mi"', value)
    return value


def bytes_of(amount: str) -> int:
    """Return an amount of memory in bytes. 0 for an invalid one."""
    parts = MEMORY.fullmatch(amount)
    return int(Decimal(parts["amount"]) * UNITS[parts["unit"] or ""]) if parts else 0


def metadata_key(value: str) -> str:
    """Reject the key of an annotation that this package, Pulumi, consul-k8s or kubectl interprets."""
    if value.startswith(MANAGED_ANNOTATIONS):
        raise invalid_value("is managed by consul-tracing, Pulumi, consul-k8s or kubectl. Remove it")
    return value


def variable_name(value: str) -> str:
    """Reject the name of a variable that contains a credential."""
    if CREDENTIAL.search(value):
        raise invalid_value(
            "must not be a credential, because the Deployment and Pulumi's state are not encrypted. "
            "Create a Secret, and set environment_secrets, or credentials_secret of the storage"
        )
    return value


def variable_value(value: str) -> str:
    """Reject the value of a variable that contains a credential."""
    if USER_IN_URL.search(value) or "-----BEGIN" in value:
        raise invalid_value(
            "must not contain a credential, because the Deployment and Pulumi's state are not encrypted. "
            "Create a Secret, and set environment_secrets"
        )
    return value


def elasticsearch_url(value: str) -> str:
    """Validate a URL of Elasticsearch's HTTP API, and add the default port."""
    url, host, port = _parsed(value)
    if url.scheme not in DEFAULT_PORTS or not host or url.path.strip("/") or url.query or url.fragment:
        raise must_be("a URL such as https://elasticsearch.example.com:9200, without path and query", value)
    if port == ELASTICSEARCH_TRANSPORT_PORT:
        raise must_be("a URL of the HTTP port (9200) instead of the transport port (9300)", value)
    return f"{url.scheme}://{_authority(host, port or DEFAULT_PORTS[url.scheme])}"


def contact_point(value: str) -> str:
    """Validate the address of a Cassandra node, and add the default port."""
    url, host, port = _parsed(f"//{value}")
    if "//" in value or not host or url.path or url.query or url.fragment:
        raise must_be("a node such as cassandra.example.com or 10.0.0.7:9042", value)
    return _authority(host, port or CASSANDRA_PORT)


def _parsed(address: str) -> tuple[SplitResult, str | None, int | None]:
    if "@" in address:
        raise invalid_value("must not contain a user or a password. Create a Secret, and set credentials_secret")
    try:
        url = urlsplit(address)
        return url, canonical_host(url.hostname or ""), url.port
    except ValueError:
        raise must_be("an address with a port from 1 to 65535", address.removeprefix("//")) from None


def _authority(host: str, port: int) -> str:
    if is_loopback(host):
        raise invalid_value(f"must be an address that pods can connect to, got {format_value(host)}, the pod of Zipkin")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ports_of(addresses: Sequence[str]) -> list[int | str]:
    """Return the ports of validated addresses, sorted. UNRESOLVED if a preview does not know an address."""
    if UNRESOLVED in addresses:
        return [UNRESOLVED]
    return sorted({int(address.rpartition(":")[2]) for address in addresses})


def cluster_domain(value: str) -> str:
    """Validate the DNS domain of a cluster."""
    if not re.fullmatch(DOMAIN, value) or is_address(value) or not canonical_host(value):
        raise must_be("a lower-case DNS name such as cluster.local", value)
    return value


def address_range(value: str) -> str:
    """Add the prefix length to an address. The API server validates ranges."""
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        return value


def user_id(value: int) -> int:
    """Validate the id of a user other than root."""
    if not 1 <= value <= LARGEST_USER_ID:
        raise must_be(f"the id of a user other than root, from 1 to {LARGEST_USER_ID}", value)
    return value


def manifest_part(value: object) -> JsonObject:
    """Validate a part of a manifest. Kubernetes drops null, and each preview would show it as a change."""
    part = json_object(value)
    if path := _null_path(part):
        raise invalid_members([Problem(path, "must be a value, got null. Remove the field")])
    return part


def _null_path(value: object) -> str | None:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if member is None:
            return str(key)
        if path := _null_path(member):
            return f"{key}.{path}"
    return None


Utilization = Annotated[Count, Field(le=100)]
Image = Annotated[str, AfterValidator(image)]
Memory = Annotated[str, AfterValidator(memory)]
MetadataKey = Annotated[str, AfterValidator(metadata_key)]
VariableName = Annotated[EnvironmentVariable, AfterValidator(variable_name)]
VariableValue = Annotated[str, AfterValidator(variable_value)]
ElasticsearchUrl = Annotated[str, AfterValidator(elasticsearch_url)]
ContactPoint = Annotated[str, AfterValidator(contact_point)]
Index = Annotated[
    str, matching(r"[a-z0-9][a-z0-9_-]*", 'the prefix of an index (lower-case letters, digits, "-" and "_")')
]
Keyspace = Annotated[
    str,
    matching(
        r"[A-Za-z][A-Za-z0-9_]{0,47}", 'the name of a keyspace (at most 48 letters, digits and "_", first a letter)'
    ),
]
PullSecret = Annotated[
    str, matching(DOMAIN, 'the name of a Kubernetes object (lower-case letters, digits, "-" and ".")')
]
FileKey = Annotated[str, matching(r"[-._A-Za-z0-9]{1,253}", 'a key of a Secret (letters, digits, "-", "_" and ".")')]
"""A key of a Secret that is the name of a file in a pod."""

Interval = Annotated[str, matching(r"(\d+(ms|s|m|h))+", 'a duration such as "30s" or "1m"')]
AddressRange = Annotated[str, AfterValidator(address_range)]
ClusterDomain = Annotated[str, AfterValidator(cluster_domain)]
UserId = Annotated[int, BeforeValidator(whole_number), AfterValidator(user_id)]
ManifestPart = Annotated[JsonObject, BeforeValidator(manifest_part)]
