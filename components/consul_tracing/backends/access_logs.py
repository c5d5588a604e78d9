"""Access logs that the live entry or the cluster does not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consul_tracing.errors import fix, message
from consul_tracing.run_errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .live import Planned
    from .plan_messages import Wording


def reject_two_formats(planned: Iterable[Planned[Any]], wording: Wording) -> None:
    """Reject an entry with a JSON format and a preserved text format, which Consul refuses. Raises ConflictError."""
    for one in planned:
        logs = one.plan.body(one.entry).get("AccessLogs") or {}
        if logs.get("JSONFormat") and logs.get("TextFormat"):
            raise ConflictError(
                message(
                    "CT220",
                    f"{wording.title(one.entry)}: AccessLogs.JSONFormat conflicts with AccessLogs.TextFormat of "
                    "another owner, which this stack preserves. Consul refuses an entry with both",
                    *fix("To keep the text format:", "remove access_logs, and add %TRACE_ID% to the text format"),
                    *fix("To replace it:", "remove AccessLogs.TextFormat where it is declared", "pulumi up"),
                )
            )


def unknown_field_text(title: str) -> str:
    """Return why a cluster without the field `accessLogs` rejects access logs."""
    return message(
        "CT220",
        f"{title}: the cluster's ProxyDefaults have no field accessLogs, and would lose it",
        *fix("To write access logs:", "upgrade consul-k8s to 1.0 or newer, custom resource definitions included"),
        *fix("To trace without them:", "remove access_logs, and AccessLogs in proxy_defaults"),
    )
