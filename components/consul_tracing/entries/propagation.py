"""Trace headers of tracers, and the changes of a tracer that break traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consul_tracing.envoy_messages.json_values import at, json_objects
from consul_tracing.envoy_messages.messages import PROVIDER
from consul_tracing.envoy_messages.reader import read
from consul_tracing.errors import ConflictError, message, numbered
from consul_tracing.names import LISTENER_KEY, TRACER_KEY

if TYPE_CHECKING:
    from consul_tracing.names import JsonObject

B3, W3C = "b3", "traceparent"


@dataclass(frozen=True)
class Propagation:
    """A tracer, and the formats of trace headers that it reads and writes."""

    name: str
    headers: frozenset[str]
    """The formats. Proxies without a common one cannot continue each other's traces."""

    @property
    def tracer(self) -> str:
        """The tracer and its formats as messages name them: `Zipkin (b3)`."""
        return f"{self.name} ({', '.join(sorted(self.headers))})"

    def is_compatible(self, other: Propagation) -> bool:
        """Return whether proxies with these tracers continue each other's traces."""
        return bool(self.headers & other.headers)


ZIPKIN = Propagation("Zipkin", frozenset({B3}))
ZIPKIN_W3C = Propagation("Zipkin", frozenset({B3, W3C}))
OPENTELEMETRY = Propagation("OpenTelemetry", frozenset({W3C}))
DATADOG = Propagation("Datadog", frozenset({"x-datadog", W3C}))

TRACERS = (ZIPKIN, ZIPKIN_W3C, OPENTELEMETRY, DATADOG)
"""The tracers of this package."""

MESSAGES = {
    "ZipkinConfig": ZIPKIN,
    "OpenTelemetryConfig": OPENTELEMETRY,
    "DatadogConfig": DATADOG,
    "SkyWalkingConfig": Propagation("SkyWalking", frozenset({"sw8"})),
    "XRayConfig": Propagation("X-Ray", frozenset({"x-amzn-trace-id"})),
}
"""Envoy's tracers by the names of their messages."""

SOURCES = ((LISTENER_KEY, "provider"), (TRACER_KEY, "http"))
"""The keys of `Config` with a tracer and its field in each of them. Envoy prefers the tracer of the listener."""


def propagation(body: JsonObject | None) -> Propagation | None:
    """Return the tracer of a proxy-defaults entry. None without a tracer, or for one that is not known."""
    tracer = _tracer(body)
    found = MESSAGES.get(str(at(tracer, "@type")).rpartition(".")[2])
    has_w3c = at(tracer, "trace_context_option") == "USE_B3_WITH_W3C_PROPAGATION"
    return ZIPKIN_W3C if found is ZIPKIN and has_w3c else found


def _tracer(body: JsonObject | None) -> Any:  # noqa: ANN401 - JSON
    """Return the canonical configuration of the tracer of an entry. None without a tracer."""
    config = {key.lower(): value for key, value in ((body or {}).get("Config") or {}).items()}
    blocks = [(next(iter(json_objects(config.get(key)) or ()), None), field) for key, field in SOURCES]
    provider = next((found for block, field in blocks if (found := at(block, field))), None)
    return at(read(provider, PROVIDER).value, "typed_config")


def adds_sampler(live: JsonObject | None, declared: JsonObject) -> bool:
    """Return whether the sampling rate moves from the listener of running proxies to a sampler.

    Each running proxy then samples all requests: it has the new listener, and its tracer has no sampler until it
    restarts. A tracer in the listener changes together with the rate.
    """
    old, new = _tracer(live), _tracer(declared)
    is_bootstrap = TRACER_KEY in (declared.get("Config") or {})
    return bool(old) and at(old, "sampler") is None and at(new, "sampler") is not None and is_bootstrap


def reject_broken_traces(live: JsonObject | None, declared: JsonObject) -> None:
    """Reject a tracer that shares no trace headers with the tracer of the running proxies. Raises ConflictError.

    A proxy changes its tracer when it restarts. Until the last restart, each trace breaks between two proxies with
    different headers.
    """
    old, new = propagation(live), propagation(declared)
    if old is None or new is None or old.is_compatible(new):
        return
    raise ConflictError(
        message(
            "CT218",
            f"tracer: changes from {old.tracer} to {new.tracer}, which have no common trace headers",
            "A proxy changes its tracer when it restarts. Until the last proxy has restarted, traces are in pieces.",
            *_steps(old, new),
            "To change now, where incomplete traces do not matter:",
            *numbered(["set accept_broken_traces: true", "pulumi up", "restart every proxy"]),
        )
    )


def _steps(old: Propagation, new: Propagation) -> list[str]:
    """Return the steps that keep traces complete: over the Zipkin tracer with both formats, if that is possible."""
    if not (old.is_compatible(ZIPKIN_W3C) and ZIPKIN_W3C.is_compatible(new)):
        return []
    return [
        "To keep every trace complete, with a collector that accepts the spans of both tracers:",
        *numbered(
            [
                'set tracer.zipkin.propagation: "b3+w3c" (requires Envoy 1.36), then pulumi up',
                "restart every proxy, until consul-tracing stale lists none",
                f"set the tracer {new.tracer}, then pulumi up",
                "restart every proxy",
            ]
        ),
    ]
