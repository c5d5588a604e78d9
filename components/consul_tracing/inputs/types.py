"""Field types with their validation."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from consul_tracing.errors import Problem, format_value, mismatch
from consul_tracing.names import JsonObject

from .hosts import canonical_host, host_reason
from .validation import invalid_members, invalid_value, must_be

MAX_OWNER_LENGTH = 512
"""Bytes that Consul allows in a value of `Meta`."""

STACK = re.compile(r"[^/\s]+/[^/\s]+/[^/\s]+")
RESERVED_HEADER = re.compile(
    r":.*|grpc-.*|proxy-connection|content-(type|length)|host|te|connection|keep-alive|transfer-encoding|upgrade",
    re.IGNORECASE,
)
CREDENTIAL_HEADER = re.compile(
    r"(^|[-_])(auth(orization)?|cookie|token|secret|password|credentials?|(api)?key|dsn)([-_]|$)|^x-honeycomb-team$",
    re.IGNORECASE,
)
CREDENTIAL_REASON = (
    "must not be a credential, because every client of Consul can read the entry. "
    "Set collector.auth, with which proxies read it from a file"
)
CREDENTIAL_VALUE = re.compile(r"(bearer|basic) |-----BEGIN", re.IGNORECASE)
NAME_TEMPLATE = re.compile(r"\{[^{}]*\}")
NAME_TEMPLATES = ("{service}", "{namespace}", "{partition}")
"""The templates in the service name of the spans of one service."""
ENVOY_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")
MIN_FLUSH_SPANS = 5
"""Spans after which Envoy exports by default. A smaller cache loses spans always."""
MAX_UINT32 = 2**32 - 1
OLDEST_ENVOY = (1, 34)
SMALLEST_PERCENT = 0.01


def matching(pattern: str, expected: str) -> AfterValidator:
    """Return a validator for text that matches a pattern as a whole."""

    def validate(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise must_be(expected, value)
        return value

    return AfterValidator(validate)


def text(value: str) -> str:
    """Validate that text contains more than white space."""
    if not value.strip():
        raise must_be("non-empty text", value)
    return value


def whole_number(value: object) -> object:
    """Convert a float without a fraction: some of Pulumi's languages have no integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def fine_percent(value: float) -> float:
    """Validate a percentage that Envoy counts in hundredths of a percent."""
    if 0 < value < SMALLEST_PERCENT:
        raise invalid_value(
            f"must be 0 or at least {SMALLEST_PERCENT}, got {format_value(value)}. Envoy rounds it to 0"
        )
    return value


def host(value: str, info: ValidationInfo) -> str:
    """Validate a DNS name or an IP address without scheme, port and path."""
    found = canonical_host(value)
    if found is None:
        raise invalid_value(host_reason(value, info.field_name or "host"))
    return found


def service_name(value: str) -> str:
    """Validate the name of a service in Consul's catalog."""
    if value == "*":
        raise invalid_value('must be the name of a service, got "*". Set default_protocol for the whole mesh')
    if not value.isprintable() or any(character.isspace() or character == "/" for character in text(value)):
        raise must_be("the name of a service, without spaces, slashes and control characters", value)
    return value


def span_name(value: str) -> str:
    """Validate a service name in spans, which can have the templates of NAME_TEMPLATES."""
    for template in NAME_TEMPLATE.findall(text(value)):
        if template not in NAME_TEMPLATES:
            raise invalid_value(
                f"must have the templates {', '.join(NAME_TEMPLATES)} only, got {format_value(template)}"
            )
    if set("{}") & set(NAME_TEMPLATE.sub("", value)):
        raise must_be(f"text and the templates {', '.join(NAME_TEMPLATES)}", value)
    return value


def mesh_name(value: str) -> str:
    """Validate the service name in spans of all proxies, which has no templates: the entry has one text for all."""
    if NAME_TEMPLATE.search(text(value)):
        raise invalid_value(
            f"must be one name for all proxies, got {format_value(value)}. "
            "Set services.<key>.tracing.service_name, which has templates"
        )
    return value


def free_header(value: str) -> str:
    """Validate the name of a header of exports that Envoy does not set."""
    if RESERVED_HEADER.fullmatch(value):
        raise invalid_value(f"must not be a header that Envoy sets, got {format_value(value)}")
    return value


def export_header(value: str) -> str:
    """Validate the name of a header whose value is in the entry."""
    if CREDENTIAL_HEADER.search(value):
        raise invalid_value(CREDENTIAL_REASON)
    return value


def unique_headers(value: object) -> object:
    """Reject names that differ in case only: HTTP ignores the case."""
    if isinstance(value, dict) and len({str(name).lower() for name in value}) < len(value):
        raise invalid_value("must be names that differ in more than their case")
    return value


def header_value(value: str) -> str:
    """Validate the value of a header. Some Envoy versions interpret `%` as a substitution format string."""
    if not value.isprintable() or not value.isascii() or "%" in text(value):
        raise must_be("printable ASCII text without %", value)
    if CREDENTIAL_VALUE.match(value):
        raise invalid_value(CREDENTIAL_REASON)
    return value


def is_stack_name(name: str) -> bool:
    """Return whether a name is the full name of a stack: organization/project/stack."""
    return bool(STACK.fullmatch(name))


def owner_name(value: str) -> str:
    """Validate the name of an owner."""
    if (length := len(text(value).encode())) > MAX_OWNER_LENGTH:
        raise invalid_value(f"must be at most {MAX_OWNER_LENGTH} bytes, got {length}")
    return value


def url_path(value: str) -> str:
    """Validate the path of a URL."""
    if not value.startswith("/") or not value.isprintable() or any(character in " #" for character in value):
        raise must_be("a URL path such as /api/v2/spans", value)
    return value


def file_path(value: str) -> str:
    """Validate the path of a file on the hosts of the proxies.

    The content of a file is rejected, because every client of Consul can read the entry.
    """
    if not value.startswith("/") or not value.isprintable() or "-----BEGIN" in value:
        raise must_be("the absolute path of a file on the hosts of the proxies", value)
    return value


def quoted_version(value: object) -> object:
    """Reject a number: YAML reads an unquoted 1.40 as 1.4, another version."""
    if isinstance(value, int | float):
        raise invalid_value('must be text in quotes, such as "1.40": without quotes, YAML reads 1.40 as the number 1.4')
    return value


def envoy_version(value: str) -> str:
    """Validate a version of Envoy, with or without the patch number."""
    parts = ENVOY_VERSION.fullmatch(value)
    if not parts:
        raise must_be('a version such as "1.34" or "1.36.4"', value)
    if (int(parts[1]), int(parts[2])) < OLDEST_ENVOY:
        raise must_be("1.34 or newer", value)
    return value


def json_object(value: object) -> JsonObject:
    """Validate and copy a map of plain data. Later changes to the caller's map have no effect on the copy."""
    if not isinstance(value, dict):
        raise must_be("a map", value)
    return {_key(key): _json(member, _key(key)) for key, member in value.items()}


def _key(key: object, *path: str) -> str:
    if not isinstance(key, str):
        reason = f"must be a map with text keys, got the key {format_value(key)}"
        raise invalid_members([Problem(".".join(path), reason)])
    return key


def _json(value: object, *path: str) -> object:
    match value:
        case dict():
            return {_key(key, *path): _json(member, *path, _key(key)) for key, member in value.items()}
        case list() | tuple():
            return [_json(member, *path, str(index)) for index, member in enumerate(value)]
        case float() if not math.isfinite(value):
            expected = "a finite number"
        case None | bool() | int() | float() | str():
            return value
        case _:
            expected = "text, a number, true, false, null, a list or a map"
    raise invalid_members([Problem(".".join(path), mismatch(expected, value))])


Text = Annotated[str, AfterValidator(text)]
Percent = Annotated[float, Field(ge=0, le=100)]
FinePercent = Annotated[Percent, AfterValidator(fine_percent)]
Seconds = Annotated[float, Field(gt=0)]
Whole = Annotated[int, Field(ge=0), BeforeValidator(whole_number)]
Count = Annotated[int, Field(ge=1), BeforeValidator(whole_number)]
Uint32 = Annotated[int, Field(ge=1, le=MAX_UINT32), BeforeValidator(whole_number)]
CacheSize = Annotated[int, Field(ge=MIN_FLUSH_SPANS, le=MAX_UINT32), BeforeValidator(whole_number)]
RetrySeconds = Annotated[int, Field(ge=0, le=3600), BeforeValidator(whole_number)]
Milliseconds = Count
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(whole_number)]
Host = Annotated[str, AfterValidator(host)]
ServiceName = Annotated[str, AfterValidator(service_name)]
MeshName = Annotated[str, AfterValidator(mesh_name)]
SpanName = Annotated[str, AfterValidator(span_name)]
OwnerName = Annotated[str, AfterValidator(owner_name)]
HeaderName = Annotated[
    str, matching(r":?[!#$%&'*+.^_`|~0-9A-Za-z-]+", "the name of an HTTP header"), AfterValidator(str.lower)
]
FreeHeader = Annotated[HeaderName, AfterValidator(free_header)]
HeaderValue = Annotated[str, AfterValidator(header_value)]
ExportHeaders = Annotated[
    dict[Annotated[FreeHeader, AfterValidator(export_header)], HeaderValue], BeforeValidator(unique_headers)
]
EnvironmentVariable = Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")]
UrlPath = Annotated[str, AfterValidator(url_path)]
FilePath = Annotated[str, AfterValidator(file_path)]
EnvoyVersion = Annotated[str, BeforeValidator(quoted_version), AfterValidator(envoy_version)]
NamespaceName = Annotated[
    str,
    matching(
        r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
        'the name of a Kubernetes namespace (at most 63 lower-case letters, digits and "-")',
    ),
]
"""A namespace. A preview accepts an unknown one, which the same update may create."""

Json = Annotated[JsonObject, BeforeValidator(json_object)]
