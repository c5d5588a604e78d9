"""Trace headers of tracers, and the changes of a tracer that break traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consul_tracing.errors import fix, message

from .tracing_keys import TracingKeys, tracing_keys

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

W3C_OPTION = {"USE_B3_WITH_W3C_PROPAGATION", "1"}


def propagation(keys: TracingKeys) -> Propagation | None:
    """Return the tracer of a proxy. None without a tracer, or for one that is not known."""
    config = _typed_config(keys.tracer)
    found = MESSAGES.get(str(config.get("@type")).rpartition(".")[2])
    has_w3c = str(config.get("trace_context_option")).upper() in W3C_OPTION
    return ZIPKIN_W3C if found is ZIPKIN and has_w3c else found


def adds_sampler(live: JsonObject | None, declared: JsonObject) -> bool:
    """Return whether the sampling rate moves from the listener of running proxies to a sampler.

    Each running proxy then samples all requests: it has the new listener, and its tracer has no sampler until it
    restarts. A tracer in the listener changes together with the rate.
    """
    before, after = _keys(live), _keys(declared)
    old, new = _typed_config(before.tracer), _typed_config(after.tracer)
    return bool(old) and "sampler" not in old and "sampler" in new and bool(after.bootstrap)


def _keys(body: JsonObject | None) -> TracingKeys:
    return tracing_keys((body or {}).get("Config"))


def _typed_config(tracer: JsonObject | None) -> JsonObject:
    config = (tracer or {}).get("typed_config")
    return config if isinstance(config, dict) else {}


def broken_traces_text(live: JsonObject | None, declared: JsonObject) -> str:
    """Return why a tracer breaks traces: it has no trace headers of the running proxies' tracer. Empty if it has.

    A proxy changes its tracer when it restarts. Until the last restart, each trace breaks between two proxies with
    different headers.
    """
    old, new = propagation(_keys(live)), propagation(_keys(declared))
    if old is None or new is None or old.is_compatible(new):
        return ""
    return message(
        "CT218",
        f"tracer: changes from {old.tracer} to {new.tracer}, which have no common trace headers",
        "A proxy changes its tracer when it restarts. Until the last proxy has restarted, traces are in pieces.",
        *_steps(old, new),
        *fix(
            "To change now, where incomplete traces do not matter:",
            "set accept_broken_traces: true",
            "pulumi up",
            "restart every proxy",
        ),
    )


def _steps(old: Propagation, new: Propagation) -> list[str]:
    """Return the steps that keep traces complete: over the Zipkin tracer with both formats, if that is possible."""
    if not (old.is_compatible(ZIPKIN_W3C) and ZIPKIN_W3C.is_compatible(new)):
        return []
    return [
        *fix(
            "To keep every trace complete, with a collector that accepts the spans of both tracers:",
            'set tracer.zipkin.propagation: "b3+w3c" (requires Envoy 1.36), then pulumi up',
            "restart every proxy, until consul-tracing stale lists none",
            f"set the tracer {new.tracer}, then pulumi up",
            "restart every proxy",
        ),
    ]
