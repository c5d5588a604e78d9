"""The values that a field of the collector may hold, in Kubernetes' own rules, each with why others are refused."""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator

from .advice import is_loopback
from .envoy import is_address
from .errors import given
from .fields import (
    HIGHEST_PORT,
    LABEL,
    LONGEST_SUBDOMAIN,
    SUBDOMAIN,
    JsonObject,
    environment_variable,
    is_object_name,
    json_object,
    text,
    unusable,
    whole_number,
)
from .fields import host as host_name

SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
SECRET_KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")
QUALIFIED_NAME = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?")
CPU = re.compile(r"(?P<thousandths>\d+)m|(?P<cores>\d+(\.\d{1,3})?)")
MEMORY = re.compile(r"(?P<amount>\d+(\.\d+)?)(?P<unit>Ki|Mi|Gi|Ti|k|M|G|T)?")
REPOSITORY = re.compile(
    r"([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:\d+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
)
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SPAN_INDEX = re.compile(r"[a-z0-9][a-z0-9_-]*")
KEYSPACE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")
INTERVAL = re.compile(r"(\d+(ms|s|m|h))+")
CRON_FIELD = re.compile(r"[0-9A-Za-z*/,?-]+")
CREDENTIAL = re.compile(r"PASSWORD|PASSWD|(^|_)PASS$|SECRET|TOKEN|ACCESS_KEY|API_KEY|PRIVATE_KEY", re.IGNORECASE)
USER_IN_URL = re.compile(r"://[^/\s@]*:[^/\s@]*@")

ELASTICSEARCH_TRANSPORT_PORT = 9300
DEFAULT_PORTS = {"http": 80, "https": 443}
CASSANDRA_PORT = 9042
CRON_FIELDS = 5
HIGHEST_UTILIZATION = 100
SMALLEST_MEMORY = 256 * 1024**2
"""Bytes below which Zipkin's code alone leaves no room for spans."""

UNITS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
"""Kubernetes' units of memory, in bytes."""


def namespace(value: object) -> str:
    """The name of a namespace."""
    return _named(value, LABEL, "a namespace's name")


def service_name(value: object) -> str:
    """The name of a Service, which is a name in DNS and so begins with a letter."""
    return _named(value, SERVICE_NAME, "a Service's name", begins="a letter")


def object_name(value: object) -> str:
    """The name of an object such as a Secret."""
    name = text(value)
    if not is_object_name(name):
        raise unusable(f"{given(name)} is not an object's name: lower-case letters, digits, - and .")
    return name


def _named(value: object, pattern: re.Pattern[str], what: str, *, begins: str = "a letter or a digit") -> str:
    name = text(value)
    if not pattern.fullmatch(name):
        raise unusable(f"{given(name)} is not {what}: at most 63 lower-case letters, digits and -, first {begins}")
    return name


def secret_key(value: object) -> str:
    """A key within a Secret."""
    key = text(value)
    if not SECRET_KEY.fullmatch(key):
        raise unusable(f"{given(key)} is not a key of a Secret: letters, digits, -, _ and .")
    return key


def count(value: object) -> int:
    """A whole number of at least one."""
    return _at_least(1, value)


def whole(value: object) -> int:
    """A whole number of at least zero."""
    return _at_least(0, value)


def _at_least(least: int, value: object) -> int:
    chosen = whole_number(value)
    if chosen < least:
        raise unusable(f"{chosen} is less than {least}")
    return chosen


def utilization(value: object) -> int:
    """A share of the requested processor time, in percent."""
    chosen = count(value)
    if chosen > HIGHEST_UTILIZATION:
        raise unusable(f"{chosen} is not between 1 and 100 percent of cpu_request")
    return chosen


def image(value: object) -> str:
    """A container image that stays the same: with a tag that is not `latest`, or a digest."""
    reference = text(value)
    name, _, digest = reference.partition("@")
    # A colon before the last slash begins a registry's port, not a tag.
    folder, slash, last = name.rpartition("/")
    repository, colon, tag = last.partition(":")
    if not REPOSITORY.fullmatch(f"{folder}{slash}{repository}"):
        raise unusable(f"{given(reference)} is not an image such as registry.example.com:5000/zipkin:3.6.1")
    if colon and not TAG.fullmatch(tag):
        raise unusable(f"{given(reference)} has no tag that a registry would take: letters, digits, _, . and -")
    if "@" in reference and not DIGEST.fullmatch(digest):
        raise unusable(f"{given(reference)} has no digest such as @sha256: and 64 hexadecimal digits")
    if tag == "latest" or not (tag or digest):
        raise unusable(
            f"{given(reference)} is another program from one day to the next; write a version, such as :3.6.1, "
            "or a digest"
        )
    return reference


def is_slim(reference: str) -> bool:
    """Whether an image is Zipkin's slim one, by its repository's name or its tag."""
    return "slim" in reference.partition("@")[0].rpartition("/")[2]


def cpu(value: object) -> str:
    """An amount of processor time in Kubernetes' units."""
    amount = text(value)
    if not CPU.fullmatch(amount) or not millicores(amount):
        raise unusable(f'{given(amount)} is not processor time such as "250m" (a quarter of a core) or "2"')
    return amount


def millicores(amount: str) -> int:
    """Processor time in thousandths of a core."""
    parts = CPU.fullmatch(amount)
    if not parts:
        return 0
    return int(parts["thousandths"] or Decimal(parts["cores"]) * 1000)


def memory(value: object) -> str:
    """An amount of memory in Kubernetes' units, enough for Zipkin to run in."""
    amount = text(value)
    if not MEMORY.fullmatch(amount):
        raise unusable(f'{given(amount)} is not an amount of memory such as "512Mi" or "2Gi"')
    if bytes_of(amount) < SMALLEST_MEMORY:
        raise unusable(f'{given(amount)} is too little for Zipkin to run in; at least "256Mi"')
    return amount


def bytes_of(amount: str) -> int:
    """An amount of memory in bytes."""
    parts = MEMORY.fullmatch(amount)
    return int(Decimal(parts["amount"]) * UNITS[parts["unit"] or ""]) if parts else 0


def label_key(value: object) -> str:
    """The key of a label or an annotation: a name, with or without a prefix."""
    key = text(value)
    prefix, slash, name = key.rpartition("/")
    if not QUALIFIED_NAME.fullmatch(name) or (slash and not SUBDOMAIN.fullmatch(prefix)):
        raise unusable(f"{given(key)} is not a key such as team or example.com/team")
    return key


def label_value(value: object) -> str:
    """The value of a label."""
    if not isinstance(value, str):
        raise unusable(f"{given(value)} is not text; numbers and true and false are written in quotes")
    if not LABEL_VALUE.fullmatch(value):
        raise unusable(f"{given(value)} is not a label's value: at most 63 letters, digits, -, _ and .")
    return value


def annotation_value(value: object) -> str:
    """The value of an annotation: any text."""
    if not isinstance(value, str):
        raise unusable(f"{given(value)} is not text; numbers and true and false are written in quotes")
    return value


def variable_name(value: object) -> str:
    """The name of a variable whose value everyone may read who may read the Deployment."""
    name = environment_variable(value)
    if CREDENTIAL.search(name):
        raise unusable(
            "looks like a credential, which everyone could read in the Deployment and in Pulumi's state; "
            "put it into a Secret, and name that as the storage's credentials_secret"
        )
    return name


def variable_value(value: object) -> str:
    """The value of a variable, without a credential in it."""
    if not isinstance(value, str):
        raise unusable(f"{given(value)} is not text; numbers and true and false are written in quotes")
    if USER_IN_URL.search(value) or "-----BEGIN" in value:
        raise unusable("holds a credential, which everyone could read in the Deployment and in Pulumi's state")
    return value


def elasticsearch_url(value: object) -> str:
    """Where Elasticsearch answers HTTP, with the port written out. Never repeats a user or a password."""
    address = text(value)
    if "@" in address:
        raise unusable("holds a user or a password; put them into a Secret, and name that as credentials_secret")
    url, chosen_port = _parsed(address)
    if url.scheme not in DEFAULT_PORTS or not url.hostname:
        raise unusable(f"{given(address)} is not a URL such as https://elasticsearch.example.com:9200")
    _refuse_loopback(host_name(url.hostname))
    if url.path.strip("/") or url.query or url.fragment:
        raise unusable(f"{given(address)} holds more than scheme, host and port, which Zipkin passes over")
    if chosen_port == ELASTICSEARCH_TRANSPORT_PORT:
        raise unusable(f"{given(address)} is Elasticsearch's transport port, which Zipkin does not speak; it is 9200")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return f"{url.scheme}://{host}:{chosen_port or DEFAULT_PORTS[url.scheme]}"


def contact_point(value: object) -> str:
    """A node of Cassandra, with the port written out."""
    address = text(value)
    if "@" in address:
        raise unusable("holds a user or a password; put them into a Secret, and name that as credentials_secret")
    url, chosen_port = _parsed(f"//{address}")
    if "//" in address or not url.hostname or url.path or url.query or url.fragment:
        raise unusable(f"{given(address)} is not a node such as cassandra.example.com or 10.0.0.7:9042")
    host = host_name(url.hostname)
    _refuse_loopback(host)
    return f"[{host}]:{chosen_port or CASSANDRA_PORT}" if ":" in host else f"{host}:{chosen_port or CASSANDRA_PORT}"


def _parsed(address: str) -> tuple[SplitResult, int | None]:
    try:
        url = urlsplit(address)
        chosen_port = url.port
    except ValueError:
        raise unusable(f"{given(address)} holds no port between 1 and {HIGHEST_PORT}") from None
    return url, chosen_port


def _refuse_loopback(host: str) -> None:
    if is_loopback(host):
        raise unusable(f"{given(host)} is Zipkin's own pod; write the storage's name as a pod sees it")


def port_of(address: str) -> int:
    """The port that stands at the end of an address that was checked here."""
    return int(address.rpartition(":")[2])


def index(value: object) -> str:
    """The beginning of the names of Zipkin's indices in Elasticsearch."""
    prefix = text(value)
    if not SPAN_INDEX.fullmatch(prefix):
        raise unusable(f"{given(prefix)} is not an index's name: lower-case letters, digits, - and _")
    return prefix


def keyspace(value: object) -> str:
    """The name of a keyspace in Cassandra."""
    name = text(value)
    if not KEYSPACE.fullmatch(name):
        raise unusable(f"{given(name)} is not a keyspace's name: at most 48 letters, digits and _, first a letter")
    return name


def ingress_host(value: object) -> str:
    """The name in DNS under which the interface is reached."""
    name = text(value)
    bare = name.removeprefix("*.")
    if not SUBDOMAIN.fullmatch(bare) or is_address(bare) or len(name) > LONGEST_SUBDOMAIN:
        raise unusable(
            f"{given(name)} is not a name in DNS such as zipkin.example.com: no scheme, port or path, lower case"
        )
    return name


def cidr(value: object) -> str:
    """A range of IP addresses."""
    written = text(value)
    try:
        return str(ipaddress.ip_network(written))
    except ValueError:
        raise unusable(f"{given(written)} is not a range of addresses such as 10.0.0.0/8 or 192.0.2.7/32") from None


def interval(value: object) -> str:
    """A time between two looks, as Prometheus writes it."""
    chosen = text(value)
    if not INTERVAL.fullmatch(chosen):
        raise unusable(f'{given(chosen)} is not a time such as "30s" or "1m"')
    return chosen


def schedule(value: object) -> str:
    """A cron schedule."""
    chosen = text(value)
    if "TZ=" in chosen:
        raise unusable(f"{given(chosen)} holds a time zone; the job runs by UTC, as Zipkin's days do")
    fields = chosen.split()
    if len(fields) != CRON_FIELDS or not all(CRON_FIELD.fullmatch(field) for field in fields):
        raise unusable(f'{given(chosen)} is not a schedule of five fields such as "55 * * * *"')
    return " ".join(fields)


def raw(value: object) -> JsonObject:
    """A piece of a pod's specification as Kubernetes has it. A field without a value is left out there, not null."""
    piece = json_object(value)
    if path := _null(piece):
        raise unusable(f"{path} is null; leave it out, since Kubernetes does too and every preview would show it")
    return piece


def _null(value: object) -> str | None:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if member is None:
            return str(key)
        if path := _null(member):
            return f"{key}.{path}"
    return None


Namespace = Annotated[str, BeforeValidator(namespace)]
KubernetesServiceName = Annotated[str, BeforeValidator(service_name)]
ObjectName = Annotated[str, BeforeValidator(object_name)]
SecretKey = Annotated[str, BeforeValidator(secret_key)]
Count = Annotated[int, BeforeValidator(count)]
Whole = Annotated[int, BeforeValidator(whole)]
Utilization = Annotated[int, BeforeValidator(utilization)]
Image = Annotated[str, BeforeValidator(image)]
Cpu = Annotated[str, BeforeValidator(cpu)]
Memory = Annotated[str, BeforeValidator(memory)]
LabelKey = Annotated[str, BeforeValidator(label_key)]
LabelValue = Annotated[str, BeforeValidator(label_value)]
AnnotationValue = Annotated[str, BeforeValidator(annotation_value)]
VariableName = Annotated[str, BeforeValidator(variable_name)]
VariableValue = Annotated[str, BeforeValidator(variable_value)]
ElasticsearchUrl = Annotated[str, BeforeValidator(elasticsearch_url)]
ContactPoint = Annotated[str, BeforeValidator(contact_point)]
Index = Annotated[str, BeforeValidator(index)]
Keyspace = Annotated[str, BeforeValidator(keyspace)]
IngressHost = Annotated[str, BeforeValidator(ingress_host)]
Cidr = Annotated[str, BeforeValidator(cidr)]
Interval = Annotated[str, BeforeValidator(interval)]
Schedule = Annotated[str, BeforeValidator(schedule)]
Raw = Annotated[JsonObject, BeforeValidator(raw)]
