"""An entry taken apart into the pieces that may have different owners, and put together again.

A top-level field is one part; `Config` and `Meta` are shared key by key, and the key of the static clusters, which is
text, cluster by cluster. A cluster's own text is kept to the byte.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .fields import JsonObject

CLUSTERS_KEY = "envoy_extra_static_clusters_json"

Part = tuple[str, ...]
"""Where a part stands: `("MeshGateway",)`, `("Config", "protocol")`, `("Config", CLUSTERS_KEY, "statsd")`."""

SHARED_FIELDS = ("Config", "Meta")


class UnreadableClusters(ValueError):
    """The text of the static clusters is not what Envoy reads: no proxy starts with it."""


def parts_of(body: JsonObject) -> dict[Part, Any]:
    """The parts of `body` in their order, each with its value; a cluster's value is its text.

    Raises UnreadableClusters for clusters that cannot be told apart.
    """
    return dict(_parts(body))


def _parts(body: JsonObject) -> Iterator[tuple[Part, Any]]:
    for field, value in body.items():
        if field not in SHARED_FIELDS:
            yield (field,), value
            continue
        for key, member in (value or {}).items():
            # Consul reads keys of Config without regard to case.
            if field == "Config" and key.lower() == CLUSTERS_KEY:
                yield from (((field, CLUSTERS_KEY, name), text) for name, text in clusters_of(member).items())
            else:
                yield (field, key), member


def body_of(parts: Mapping[Part, Any]) -> JsonObject:
    """The entry that `parts` make, clusters in the order of the parts."""
    body: JsonObject = {}
    clusters: list[str] = []
    for part, value in parts.items():
        match part:
            case (field,):
                body[field] = value
            case (field, key):
                body.setdefault(field, {})[key] = value
            case _:
                clusters.append(value)
    if clusters:
        body.setdefault("Config", {})[CLUSTERS_KEY] = ",".join(clusters)
    return body


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
