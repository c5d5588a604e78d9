"""Recovery of tags and access logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.access_logs import log_format
from consul_tracing.entries.bodies import canonical_json
from consul_tracing.envoy import CALLER_METADATA
from consul_tracing.envoy_messages.json_values import at
from consul_tracing.inputs.types import OLDEST_ENVOY
from consul_tracing.names import SAMPLER_ENVOY, SPAN_ID_ENVOY, release_text

if TYPE_CHECKING:
    from consul_tracing.names import JsonObject


def tag_inputs(tag: object) -> JsonObject:
    """Return the inputs of a tag. Empty if its source is not supported."""
    if (value := at(tag, "literal", "value")) is not None:
        return {"literal": value}
    for source in ("request_header", "environment"):
        if (name := at(tag, source, "name")) is not None:
            default = at(tag, source, "default_value")
            return {source: name, **({} if default is None else {"default": default})}
    key = at(tag, "metadata", "metadata_key")
    if at(key, "key") == CALLER_METADATA and at(tag, "metadata", "kind", "request") is not None:
        default = at(tag, "metadata", "default_value") or None
        return {"caller": at(key, "path", 0, "key"), **({} if default is None else {"default": default})}
    return {}


def access_log_inputs(logs: object, inputs: JsonObject) -> JsonObject:
    """Return `access_logs`, and the first Envoy that supports the format. Empty for another format.

    `inputs`: the recovered tracer, and the oldest Envoy that supports it. A tracer without a sampler has a known Envoy.
    For another one, the format can require a newer Envoy.
    """
    is_old = inputs.get("envoy_version") == release_text(OLDEST_ENVOY)
    releases = (SAMPLER_ENVOY,) if is_old else (SAMPLER_ENVOY, SPAN_ID_ENVOY)
    for release in releases if at(logs, "Enabled") is True else ():
        for tracer in inputs.get("tracer", ()):
            if at(logs, "JSONFormat") == canonical_json(log_format(tracer, release)):
                newer = {"envoy_version": release_text(release)} if release > SAMPLER_ENVOY else {}
                return {"access_logs": {"trace_id": True}, **newer}
    return {}


def without_log_fields(fields: JsonObject) -> JsonObject:
    """Return the fields of proxy-defaults without those that `access_logs` sets."""
    rest = {name: value for name, value in fields["AccessLogs"].items() if name not in {"Enabled", "JSONFormat"}}
    others = {name: value for name, value in fields.items() if name != "AccessLogs"}
    return {**others, "AccessLogs": rest} if rest else others
