"""Collectors at whose address is something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.cli.verify.evidence import Cause
from consul_tracing.cli.verify.tracers import OTLP_GRPC
from consul_tracing.errors import shortened
from consul_tracing.inputs.collector_address import PORTS

if TYPE_CHECKING:
    from consul_tracing.cli.verify.collectors import Collector
    from consul_tracing.cli.verify.evidence import Evidence

OTHER_API = frozenset({400, 404, 405, 415})
"""Statuses of HTTP servers that do not have the API of a tracer at its default path."""

ANNOTATION = '(Kubernetes: annotation consul.hashicorp.com/connect-inject: "false")'
EXCLUDE = f"exclude the collector from the mesh {ANNOTATION}, or set collector.port to the port of its program"
PLAIN = (
    "if the port requires TLS, set collector.tls. If the collector has a sidecar, which may receive the connections to "
    f"all ports of a pod, exclude it from the mesh {ANNOTATION}"
)


def other_protocol(collector: Collector, evidence: Evidence) -> Cause | None:
    """CT416: the port is one of TLS, of a sidecar, or of another protocol."""
    protocol = collector.tracer.protocol
    default = next((f" ({port} by default)" for port, name in PORTS.items() if name == protocol), "")
    fix = f"set collector.port to the port for {protocol}{default}"
    if protocol.startswith("OTLP"):
        fix += ", or tracer.opentelemetry.transport to the protocol of this port"
    sidecar = next(filter(None, map(evidence.sidecar_at, collector.endpoints)), "")
    if collector.is_other_protocol and sidecar:
        seen = f"is the port of the sidecar of {sidecar}, which closes connections without mTLS of the mesh"
        fix = EXCLUDE
    elif collector.is_other_protocol:
        version = "HTTP/2" if protocol == OTLP_GRPC else "HTTP/1.1"
        seen = "accepts the connection and closes it without a response"
        seen = seen if collector.is_mute else f"responds, and not in {version}"
        fix = fix if collector.has_tls else f"{PLAIN}. Otherwise, {fix}"
    elif collector.statuses and collector.statuses.keys() <= OTHER_API and collector.tracer.has_default_path:
        seen = f"responds with status {shortened([*map(str, sorted(collector.statuses))])}"
    else:
        return None
    known = {PORTS[port] for _, port in collector.endpoints if port in PORTS} - {protocol}
    seen += f" to {protocol}" + (f". By default, this is the port for {shortened(sorted(known))}" if known else "")
    return Cause("CT416", collector.proxy.label, f"{collector.label} {seen}", f"{fix}, and restart the proxies")
