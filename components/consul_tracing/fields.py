"""The values that a field may hold, each with the check that refuses what cannot work and says why."""

from __future__ import annotations

import ipaddress
import math
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from .errors import given

JsonObject = dict[str, Any]
"""A map as JSON has it: text keys; values None, bool, int, float, str, list, or such a map."""

HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
LONGEST_HOST = 253
LONGEST_OWNER = 512
STACK = re.compile(r"[^/\s]+/[^/\s]+/[^/\s]+")
HEADER = re.compile(r":?[!#$%&'*+.^_`|~0-9A-Za-z-]+")
ENVIRONMENT_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LONGEST_SUBDOMAIN = 253
ENVOY_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")
OLDEST_ENVOY = (1, 34)
SMALLEST_PERCENT = 0.01
HIGHEST_PORT = 65535


def unusable(reason: str) -> PydanticCustomError:
    """The error of a check, with `reason` told as it is."""
    return PydanticCustomError("unusable", "{reason}", {"reason": reason})


def text(value: object) -> str:
    """Text that is not empty."""
    if not isinstance(value, str):
        raise unusable(f"{given(value)} is not text")
    if not value.strip():
        raise unusable("is empty")
    return value


def number(value: object) -> float:
    """A finite number. Whole ones may come as floats: Pulumi's other languages have no integers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise unusable(f"{given(value)} is not a number")
    if not math.isfinite(value):
        raise unusable(f"{value} is not a number that can be written down")
    return float(value)


def whole_number(value: object) -> int:
    """A number without a fraction."""
    if not number(value).is_integer():
        raise unusable(f"{given(value)} is not a whole number")
    return int(number(value))


def percent(value: object) -> float:
    """A percentage, 0 to 100, as Envoy's `Percent` holds it."""
    if isinstance(value, dict) and {"numerator", "denominator"} & value.keys():
        raise unusable("is a fraction, which Envoy does not parse here; write the percentage as one number: 12.5")
    if isinstance(value, str) and value.strip().endswith("%"):
        raise unusable(f"{given(value)} is text; write the number alone: {value.strip(' %')}")
    share = number(value)
    if not 0 <= share <= 100:  # noqa: PLR2004 - what percent means
        raise unusable(f"{given(value)} is not between 0 and 100 percent")
    return share


def fine_percent(value: object) -> float:
    """A percentage that Envoy counts in hundredths, so that a smaller one would silently be none."""
    share = percent(value)
    if 0 < share < SMALLEST_PERCENT:
        raise unusable(f"{given(value)} would be 0: Envoy counts in hundredths of a percent; the smallest is 0.01")
    return share


def port(value: object) -> int:
    """A TCP port."""
    chosen = whole_number(value)
    if not 1 <= chosen <= HIGHEST_PORT:
        raise unusable(f"{chosen} is not between 1 and {HIGHEST_PORT}")
    return chosen


def milliseconds(value: object) -> int:
    """A time to wait, of at least one millisecond."""
    chosen = whole_number(value)
    if chosen < 1:
        raise unusable(f"{chosen} is not a time to wait: at least 1 (milliseconds)")
    return chosen


def host(value: object) -> str:
    """A DNS name or an IP address, and nothing around it: Envoy would look up the rest as a part of the name."""
    name = text(value)
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        if address.is_unspecified:
            raise unusable(f"{given(name)} is where servers listen, not where they are; write the collector's address")
        return str(address)
    if HOST.fullmatch(name) and len(name) <= LONGEST_HOST and not name.rstrip(".").rsplit(".")[-1].isdigit():
        return name
    raise unusable(f"{given(name)} {_host_fault(name)}")


def _host_fault(name: str) -> str:
    if any(character.isspace() for character in name):
        return "holds blanks"
    url = urlsplit(name if "://" in name else f"//{name}")
    try:
        held_port = url.port
    except ValueError:
        held_port = None
    parts = {"a scheme": url.scheme, "a user": url.username, "a port": held_port, "a path": url.path.strip("/")}
    held = " and ".join(part for part, found in parts.items() if found)
    if not held or not url.hostname:
        return "is neither a DNS name nor an IP address"
    advice = f'write host: "{url.hostname}"' + (f" and port: {held_port}" if held_port else "")
    return f"holds {held}; {advice}"


def service_name(value: object) -> str:
    """The name of a service in Consul's catalogue."""
    name = text(value)
    if name == "*":
        raise unusable('"*" is not a service: Consul has no wildcard here; default_protocol is for the whole mesh')
    if any(character.isspace() or not character.isprintable() or character == "/" for character in name):
        raise unusable(f"{given(name)} holds a blank, a control character or a slash, which no service's name may")
    return name


def is_stack_name(name: str) -> bool:
    """Whether `name` is the full name of a stack: organization/project/stack."""
    return bool(STACK.fullmatch(name))


def owner_name(value: object) -> str:
    """An owner, as the ownership metadata holds it."""
    name = text(value)
    if len(name.encode()) > LONGEST_OWNER:
        raise unusable(f"must be at most {LONGEST_OWNER} bytes, as Consul allows for a value of Meta")
    return name


def header_name(value: object) -> str:
    """The name of an HTTP header, or of a pseudo-header such as `:authority`, in the lower case of HTTP/2."""
    name = text(value)
    if not HEADER.fullmatch(name):
        raise unusable(f"{given(name)} is not the name of an HTTP header")
    return name.lower()


def environment_variable(value: object) -> str:
    """The name of an environment variable of Envoy's process."""
    name = text(value)
    if not ENVIRONMENT_VARIABLE.fullmatch(name):
        raise unusable(f"{given(name)} is not the name of an environment variable")
    return name


def url_path(value: object) -> str:
    """The path of a URL, from its first slash on."""
    path = text(value)
    if not path.startswith("/") or not path.isprintable() or any(character in " #" for character in path):
        raise unusable(f"{given(path)} is not a path such as /api/v2/spans")
    return path


def file_path(value: object) -> str:
    """Where a file stands on the proxies' hosts: everyone may read the entry, so never the file's content."""
    path = text(value)
    if "-----BEGIN" in path:
        raise unusable("holds key material, which everyone could read in the entry; write the file's path on the hosts")
    if not path.startswith("/") or not path.isprintable():
        raise unusable(
            f"{given(path)} is not an absolute path on the proxies' hosts, such as /etc/ssl/collector-ca.pem"
        )
    return path


def envoy_version(value: object) -> str:
    """A release of Envoy, MAJOR.MINOR with or without its patch number."""
    version = text(value)
    parts = ENVOY_VERSION.fullmatch(version)
    if not parts:
        raise unusable(f'{given(version)} is not a version such as "1.34" or "1.36.4"')
    if (int(parts[1]), int(parts[2])) < OLDEST_ENVOY:
        raise unusable(f'{given(version)} is older than "1.34", the oldest Envoy that this package writes for')
    return version


def namespace_name(value: object) -> str:
    """The name of a Kubernetes namespace (a label of RFC 1123)."""
    name = text(value)
    if not LABEL.fullmatch(name):
        raise unusable(
            f"{given(name)} is no name of a Kubernetes namespace: at most 63 lower-case letters, digits and hyphens"
        )
    return name


def is_object_name(name: str) -> bool:
    """Whether Kubernetes takes `name` for an object such as a Secret or a custom resource (a subdomain of RFC 1123)."""
    return bool(SUBDOMAIN.fullmatch(name)) and len(name) <= LONGEST_SUBDOMAIN


def seconds(value: object) -> float:
    """A time to wait, in seconds; fractions are allowed."""
    chosen = number(value)
    if chosen <= 0:
        raise unusable(f"{given(value)} is not a time to wait: more than 0 (seconds)")
    return chosen


def json_object(value: object) -> JsonObject:
    """A map of plain data, copied, so that what the caller changes later changes nothing here."""
    if not isinstance(value, dict):
        raise unusable(f"{given(value)} is not a map")
    return {_key(key): _json(member, _key(key)) for key, member in value.items()}


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise unusable(f"the key {given(key)} is not text")
    return key


def _json(value: object, path: str) -> object:
    match value:
        case dict():
            return {_key(key): _json(member, f"{path}.{key}") for key, member in value.items()}
        case list() | tuple():
            return [_json(member, f"{path}.{index}") for index, member in enumerate(value)]
        case float() if not math.isfinite(value):
            raise unusable(f"{path} is {value}, which JSON cannot hold")
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise unusable(
                f"{path} is {given(value)}; only text, numbers, true and false, lists and maps can be written"
            )


Text = Annotated[str, BeforeValidator(text)]
Percent = Annotated[float, BeforeValidator(percent)]
FinePercent = Annotated[float, BeforeValidator(fine_percent)]
Port = Annotated[int, BeforeValidator(port)]
Seconds = Annotated[float, BeforeValidator(seconds)]
NamespaceName = Annotated[str, BeforeValidator(namespace_name)]
Milliseconds = Annotated[int, BeforeValidator(milliseconds)]
Host = Annotated[str, BeforeValidator(host)]
ServiceName = Annotated[str, BeforeValidator(service_name)]
OwnerName = Annotated[str, BeforeValidator(owner_name)]
HeaderName = Annotated[str, BeforeValidator(header_name)]
EnvironmentVariable = Annotated[str, BeforeValidator(environment_variable)]
UrlPath = Annotated[str, BeforeValidator(url_path)]
FilePath = Annotated[str, BeforeValidator(file_path)]
EnvoyVersion = Annotated[str, BeforeValidator(envoy_version)]
Json = Annotated[JsonObject, BeforeValidator(json_object)]
