"""Recovery of the tracing of single proxies from their registrations and from annotations of pods."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from consul_tracing.entries.bodies import tracing_config
from consul_tracing.entries.registrations import proxy_config
from consul_tracing.entries.tracing_keys import tracing_keys
from consul_tracing.envoy_messages.json_values import at
from consul_tracing.errors import InputError
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.inputs.proxies import named, proxies_of
from consul_tracing.lint.meaning import mesh_meaning
from consul_tracing.names import LISTENER_KEY, TRACER_KEY, TRACING_KEYS

from .numbers import declared_rate, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.files.document import Document
    from consul_tracing.names import JsonObject


def with_proxies(settings: MeshSettings, inputs: JsonObject, documents: Sequence[Document]) -> MeshSettings:
    """Add `services.<key>.tracing` of each registration that these inputs express. Return the settings with them."""
    for document in (one for one in documents if one.kind == "registration"):
        keys = [key for key, name in settings.names_by_key.items() if name == document.name]
        if len(keys) == 1 and needs_input(document, settings):
            service = inputs["services"][keys[0]]
            settings = settings if "tracing" in service else _with_tracing(settings, inputs, service, document)
    return settings


def _with_tracing(
    settings: MeshSettings, inputs: JsonObject, service: JsonObject, registration: Document
) -> MeshSettings:
    """Add the first tracing with which the settings render the keys of a registration, none if there is none."""
    for tracing in _candidates(mesh_meaning({"Config": _effective(settings, registration)}).get("Config")):
        service["tracing"] = tracing
        try:
            changed = MeshSettings.of("mesh", inputs)
        except InputError:
            continue
        if not needs_input(registration, changed):
            return changed
    service.pop("tracing", None)
    return settings


def _candidates(config: object) -> Iterator[JsonObject]:
    """Yield inputs that proxies with a `Config` of this meaning can have, the shortest first."""
    yield {"enabled": False}
    typed = at(config, TRACER_KEY, "http", "typed_config")
    rates = [
        whole(at(typed, "sampler", "wrapped_sampler", "sampling_percentage")),
        declared_rate(at(config, LISTENER_KEY, "random_sampling", "value")),
    ]
    for name, rate in product((None, at(typed, "service_name")), (None, *rates)):
        yield {field: one for field, one in (("sampling", rate), ("service_name", name)) if one is not None}


def needs_input(registration: Document, settings: MeshSettings) -> bool:
    """Return whether a registration has tracing keys other than those that the settings render for its service."""
    config = registration.fields.get("Config")
    if not isinstance(config, dict):
        return True
    if TRACING_KEYS.keys().isdisjoint(map(str.lower, config)):
        return False
    name = registration.name
    rendered = proxy_config(settings, proxies_of(settings).get(name, named(name)))
    own = tracing_keys(_effective(settings, registration))
    return own != tracing_keys({**tracing_config(settings), **rendered})


def _effective(settings: MeshSettings, registration: Document) -> JsonObject:
    """Return the keys of a proxy: those of its registration over those of the mesh."""
    return {**tracing_config(settings), **registration.fields["Config"]}
