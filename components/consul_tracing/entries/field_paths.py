"""Conversion of an entry to field paths, each of which has one owner, and back.

Structs are split by field, `Config` and `Meta` by key, and the text of the static clusters by cluster. The text of each
cluster is preserved byte for byte.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from consul_tracing.entry_structs import STRUCTS
from consul_tracing.names import CLUSTERS_KEY, FieldPath

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consul_tracing.names import JsonObject


class InvalidClustersError(ValueError):
    """The text of the static clusters is not valid. No proxy starts with it."""


def field_paths(body: JsonObject) -> dict[FieldPath, Any]:
    """Return the field paths of a body with their values, in order. The value of a cluster is its text.

    Raises InvalidClustersError for static clusters that are not valid.
    """
    return dict(_parts(body, ()))


def _parts(fields: JsonObject, above: FieldPath) -> Iterator[tuple[FieldPath, Any]]:
    for field, value in fields.items():
        path = (*above, field)
        # Consul ignores the case of the keys of Config.
        if above == ("Config",) and field.lower() == CLUSTERS_KEY:
            yield from (((*above, CLUSTERS_KEY, name), text) for name, text in split_clusters(value).items())
        elif path in STRUCTS and isinstance(value, dict):
            yield from _parts(value, path)
        else:
            yield path, value


def body_from(parts: Mapping[FieldPath, Any]) -> JsonObject:
    """Return the body with these field paths. The clusters keep their order."""
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


def is_cluster(part: FieldPath) -> bool:
    """Return whether a field is a static cluster."""
    return part[:2] == ("Config", CLUSTERS_KEY)


def canonical_path(part: FieldPath) -> FieldPath:
    """Return the path in lower case if it is a key of Config, because Consul ignores the case of these keys."""
    return ("Config", part[1].lower()) if len(part) == 2 and part[0] == "Config" else part  # noqa: PLR2004 - a key


def split_clusters(text: object) -> dict[str, str]:
    """Return the text of each static cluster by name.

    Raises InvalidClustersError for text other than JSON objects with unique names, separated by commas.
    """
    if not isinstance(text, str):
        raise InvalidClustersError("the value is not text")
    decoder, clusters, position = json.JSONDecoder(), dict[str, str](), _skip_blanks(text, 0)
    while position < len(text):
        try:
            cluster, end = decoder.raw_decode(text, position)
        except ValueError as error:
            raise InvalidClustersError(str(error)) from None
        name = cluster.get("name") if isinstance(cluster, dict) else None
        if not isinstance(name, str) or name in clusters:
            raise InvalidClustersError("each cluster must be a JSON object with a unique name")
        clusters[name] = text[position:end]
        position = _skip_comma(text, end)
    return clusters


def _skip_comma(text: str, position: int) -> int:
    comma = _skip_blanks(text, position)
    if comma == len(text):
        return comma
    if text[comma] != "," or (after := _skip_blanks(text, comma + 1)) == len(text):
        raise InvalidClustersError("the clusters must be separated by single commas")
    return after


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def encode_path(part: FieldPath) -> str:
    """Return a path as text, with quoted commas and slashes: `Config/protocol`."""
    return "/".join(quote(step, safe="") for step in part)


def decode_path(text: str) -> FieldPath:
    """Return the path of a text that `encode_path` returned."""
    return tuple(unquote(step) for step in text.split("/"))


def path_label(part: FieldPath) -> str:
    """Return the name of a field in messages."""
    match part:
        case (_, "envoy_extra_static_clusters_json", name):
            return f"static cluster {name}"
        case ("Config", key):
            return key
        case _:
            return ".".join(part)
