"""Commands that restart a proxy that is neither in a pod nor in a unit of systemd."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consul_tracing.names import JsonObject
    from consul_tracing.sources.envoy import Node

NOMAD = re.compile(r"_nomad-task-(?P<allocation>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-group-")
"""Start of the ids of Nomad's services.

Ref: https://github.com/hashicorp/nomad/blob/main/client/serviceregistration/id.go
"""


def restart_of(node: Node, proxy: JsonObject) -> str:
    """Return the command that restarts a proxy with a new bootstrap, or what runs it.

    `proxy`: the block `Proxy` of its registration. Nomad writes a new bootstrap when the task restarts.
    """
    name, service = node["id"], proxy.get("DestinationServiceID")
    if nomad := NOMAD.match(name):
        # The allocation of a gateway has no other task.
        task = [f"connect-proxy-{node.get('cluster', '')}"] if service else []
        return shlex.join(["nomad", "alloc", "restart", nomad["allocation"], *task])
    selected = f"-sidecar-for {service}" if service else f"-proxy-id {name}"
    return f"restart the program that runs: consul connect envoy {selected}"
