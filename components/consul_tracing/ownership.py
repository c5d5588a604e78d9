"""What stands in the live entry, and whether that allows what the settings ask for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .entries import CLUSTERS_KEY
from .envoy import COLLECTOR_CLUSTER
from .errors import Refused

if TYPE_CHECKING:
    from .fields import JsonObject


def live_clusters(live: JsonObject | None) -> list[JsonObject]:
    """The static clusters in the live `proxy-defaults`; none where its text is not what Envoy reads."""
    text = ((live or {}).get("Config") or {}).get(CLUSTERS_KEY, "")
    try:
        clusters = json.loads(f"[{text}]")
    except ValueError:
        return []
    return [cluster for cluster in clusters if isinstance(cluster, dict)]


def refuse_missing_cluster(live: JsonObject | None) -> None:
    """Refuse a tracer in the listener key while proxies cannot have started with the collector's cluster.

    Such a proxy rejects the listener, and with it every later change of that listener, intentions among them, until
    it restarts.
    """
    if not any(cluster.get("name") == COLLECTOR_CLUSTER for cluster in live_clusters(live)):
        raise Refused(
            f'gateways: "skip" would be rejected by every running proxy: none has the cluster {COLLECTOR_CLUSTER} yet',
            "Until they restart they would take no further change of those listeners, intentions among them.",
            'In this order:  1. pulumi up with gateways: "join"',
            "                2. restart every proxy, so that it starts with the cluster",
            '                3. pulumi up with gateways: "skip"',
            "                4. restart the gateways, which keep the tracer that they started with",
        )
