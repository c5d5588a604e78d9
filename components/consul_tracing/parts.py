"""An entry as field paths, each of which has one owner, and back.

Structs are split field by field, `Config` and `Meta` key by key, and the key of the static clusters, which is text,
cluster by cluster. The text of a cluster is kept byte for byte.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from .fields import JsonObject

CLUSTERS_KEY = "envoy_extra_static_clusters_json"

Part = tuple[str, ...]
"""A field path: `("MeshGateway", "Mode")`, `("Config", "protocol")`, `("Config", CLUSTERS_KEY, "statsd")`."""

STRUCTS: frozenset[Part] = frozenset(
    {
        ("AccessLogs",),
        ("Config",),
        ("Destination",),
        ("Expose",),
        ("FailoverPolicy",),
        ("MeshGateway",),
        ("Meta",),
        ("PrioritizeByLocality",),
        ("RateLimits",),
        ("RateLimits", "InstanceLevel"),
        ("TransparentProxy",),
        ("UpstreamConfig",),
        ("UpstreamConfig", "Defaults"),
        ("UpstreamConfig", "Defaults", "Limits"),
        ("UpstreamConfig", "Defaults", "MeshGateway"),
        ("UpstreamConfig", "Defaults", "PassiveHealthCheck"),
    }
)
"""The fields whose members may have different owners. Source: Consul 1.22's `api.ProxyConfigEntry` and
`api.ServiceConfigEntry`; their lists, `UpstreamConfig.Overrides` among them, have one owner."""


class UnreadableClusters(ValueError):
    """The text of the static clusters is not what Envoy reads: no proxy starts with it."""


def parts_of(body: JsonObject) -> dict[Part, Any]:
    """The field paths of `body` in their order, each with its value; the value of a cluster is its text.

    Raises UnreadableClusters for a text that cannot be split into clusters.
    """
    return dict(_parts(body, ()))


def _parts(fields: JsonObject, above: Part) -> Iterator[tuple[Part, Any]]:
    for field, value in fields.items():
        path = (*above, field)
        # Consul ignores the case of the keys of Config.
        if above == ("Config",) and field.lower() == CLUSTERS_KEY:
            yield from (((*above, CLUSTERS_KEY, name), text) for name, text in clusters_of(value).items())
        elif path in STRUCTS and isinstance(value, dict):
            yield from _parts(value, path)
        else:
            yield path, value


def body_of(parts: Mapping[Part, Any]) -> JsonObject:
    """The entry with these field paths, its clusters in their order."""
    body: JsonObject = {}
    clusters: list[str] = []
    for part, value in parts.items():
        if is_cluster(part):
            clusters.append(value)
            continue
        fields = body
        for step in part[:-1]:
            fields = fields.setdefault(step, {})
        fields[part[-1]] = value
    if clusters:
        body.setdefault("Config", {})[CLUSTERS_KEY] = ",".join(clusters)
    return body


def is_cluster(part: Part) -> bool:
    """Whether a field path is that of a static cluster. Their key is one text, which cannot have two owners."""
    return part[:2] == ("Config", CLUSTERS_KEY)


def same_field(part: Part) -> Part:
    """The path under which two spellings of one field compare equal: Consul ignores the case of the keys of Config."""
    return ("Config", part[1].lower()) if len(part) == 2 and part[0] == "Config" else part  # noqa: PLR2004 - a key


def is_covered(part: Part, listed: Container[Part]) -> bool:
    """Whether the path, or one above it, is among those `listed`."""
    return any(part[:length] in listed for length in range(1, len(part) + 1))


def clusters_of(text: object) -> dict[str, str]:
    """The text of each static cluster by its name.

    Raises UnreadableClusters for anything but JSON objects with names of their own, with commas between.
    """
    if not isinstance(text, str):
        raise UnreadableClusters("it is not text")
    decoder, clusters, position = json.JSONDecoder(), dict[str, str](), _past_blanks(text, 0)
    while position < len(text):
        try:
            cluster, end = decoder.raw_decode(text, position)
        except ValueError as error:
            raise UnreadableClusters(str(error)) from None
        name = cluster.get("name") if isinstance(cluster, dict) else None
        if not isinstance(name, str) or name in clusters:
            raise UnreadableClusters("it holds something other than clusters with names of their own")
        clusters[name] = text[position:end]
        position = _past_comma(text, end)
    return clusters


def _past_comma(text: str, position: int) -> int:
    comma = _past_blanks(text, position)
    if comma == len(text):
        return comma
    if text[comma] != "," or (after := _past_blanks(text, comma + 1)) == len(text):
        raise UnreadableClusters("its objects are not joined by single commas")
    return after


def _past_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def written_down(part: Part) -> str:
    """`part` as text in which steps are quoted, so that none holds a comma or a slash: `Config/protocol`."""
    return "/".join(quote(step, safe="") for step in part)


def read_back(text: str) -> Part:
    """The part that `written_down` made `text` of."""
    return tuple(unquote(step) for step in text.split("/"))


def readable(part: Part) -> str:
    """`part` as people name it in messages."""
    match part:
        case (_, "envoy_extra_static_clusters_json", name):
            return f"the static cluster {name}"
        case ("Config", key):
            return key
        case _:
            return ".".join(part)
