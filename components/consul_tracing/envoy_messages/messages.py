"""The messages of Envoy's configuration. `make generate` writes them to `messages.json` from Envoy's protobuf files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY = "google.protobuf.Any"
ACCESS_LOG = "envoy.config.accesslog.v3.AccessLog"
CLUSTER = "envoy.config.cluster.v3.Cluster"
DURATION = "google.protobuf.Duration"
LISTENER = "envoy.config.listener.v3.Listener"
HTTP_CONNECTION_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
HTTP_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
LISTENER_TRACING = f"{HTTP_CONNECTION_MANAGER}.Tracing"
PROVIDER = "envoy.config.trace.v3.Tracing.Http"
SOCKET_ADDRESS = "envoy.config.core.v3.SocketAddress"
STATS_CONFIG = "envoy.config.metrics.v3.StatsConfig"
STATS_SINK = "envoy.config.metrics.v3.StatsSink"
STRING = "string"
TRACING = "envoy.config.trace.v3.Tracing"
"""The messages with which configuration begins."""

WRAPPERS: Mapping[str, str] = {
    f"google.protobuf.{name}Value": name.lower()
    for name in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
}
"""The messages with one value, whose JSON is that value. Its zero is not an unset field."""

INTEGERS: Mapping[str, tuple[int, int]] = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}


@dataclass(frozen=True)
class Field:
    """A field of a message."""

    type: str
    """A scalar type such as `uint32`, or the name of a message or an enumeration."""
    form: str = ""
    """`list`, `map` (from text to the type), `optional` (zero is not an unset field), or empty."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """Envoy's constraints of the value: `{"min_len": 1}`."""

    @property
    def scalar(self) -> str:
        """The type of the value, without its wrapper."""
        return WRAPPERS.get(self.type, self.type)

    @property
    def is_enum(self) -> bool:
        """Whether the values are the names of an enumeration."""
        return self.type in _content()["enums"]

    @property
    def omits_zero(self) -> bool:
        """Whether zero is an unset field."""
        return not self.form and (self.is_enum or "." not in self.type)


@dataclass(frozen=True)
class Message:
    """A message."""

    name: str
    fields: Mapping[str, Field]
    one_of: tuple[tuple[str, ...], ...]
    """Groups of fields of which exactly one is set."""
    at_most_one_of: tuple[tuple[str, ...], ...]
    """Groups of fields of which at most one is set."""
    reserved: frozenset[str]
    """The names of former fields."""


@cache
def message(name: str) -> Message | None:
    """Return a message by its name. None for a message that is not known."""
    found = _content()["messages"].get(name)
    if found is None:
        return None
    fields = {key: _field({"type": one} if isinstance(one, str) else one) for key, one in found["fields"].items()}
    one, at_most_one = (tuple(map(tuple, found.get(kind, ()))) for kind in ("one_of", "at_most_one_of"))
    return Message(name, fields, one, at_most_one, frozenset(found.get("reserved", ())))


def enum(name: str) -> Mapping[str, int]:
    """Return the numbers of an enumeration by their names. The first name is the default."""
    found: Mapping[str, int] = _content()["enums"][name]
    return found


def _field(found: Mapping[str, Any]) -> Field:
    rules = {name: value for name, value in found.items() if name not in {"type", "form"}}
    return Field(found["type"], found.get("form", ""), rules)


@cache
def _content() -> Mapping[str, Mapping[str, Any]]:
    content: Mapping[str, Mapping[str, Any]] = json.loads(Path(__file__).with_name("messages.json").read_text())
    return content
