"""The reference of the permissions. Tests show on real programs that each list is sufficient and minimal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

PROSE = Path(__file__).with_name("permissions.md")


class Rule(NamedTuple):
    """A rule of Consul's ACLs, with `web` as the only service of the mesh."""

    text: str
    purpose: str


READ_WEB = Rule('service "web" { policy = "read" }', "entries and names of the services")
READ_NODES = Rule('node_prefix "" { policy = "read" }', "catalog of Consul")
READ_PROXY = Rule('service "web-sidecar-proxy" { policy = "read" }', "registrations of the proxies")

CONSUL: dict[str, tuple[Rule, ...]] = {
    "`MeshTracing`": (
        Rule('mesh = "write"', "`proxy-defaults/global`"),
        Rule('service "web" { policy = "write" }', "`service-defaults` of each declared service"),
    ),
    "`ServiceProtocols`": (Rule('service "web" { policy = "write" }', "`service-defaults` of each declared service"),),
    "`pulumi preview`": (READ_WEB,),
    "`lint --consul`": (READ_WEB, READ_PROXY, READ_NODES),
    "`stale --admin`": (READ_PROXY,),
    "`stale --agent`": (READ_PROXY,),
    "`stale`, proxy of another agent": (READ_WEB, READ_PROXY, READ_NODES),
    "`verify --admin`": (READ_PROXY, READ_NODES),
    "`doctor --agent`": (
        READ_WEB,
        READ_PROXY,
        READ_NODES,
        Rule('agent_prefix "" { policy = "read" }', "version of Consul"),
    ),
}
"""Rules by component or command."""

Access = dict[str, Any]

GROUP = "consul.hashicorp.com"


def access(group: str, resource: str, *verbs: str) -> Access:
    """Return a rule of a Kubernetes role."""
    return {"apiGroups": [group], "resources": [resource], "verbs": [*verbs]}


KUBERNETES: dict[str, tuple[Access, ...]] = {
    "`stale --kubernetes`, `verify --kubernetes`": (
        access("", "pods", "list"),
        access("", "pods/portforward", "get"),
    ),
    "`lint --kubernetes`": (
        access(GROUP, "proxydefaults", "list"),
        access(GROUP, "servicedefaults", "list"),
        access(GROUP, "ingressgateways", "list"),
        access("gateway.networking.k8s.io", "gateways", "list"),
    ),
    "`MeshTracing`, `target: kubernetes`": (
        access(GROUP, "proxydefaults", "get", "list", "create", "patch", "delete"),
        access(GROUP, "servicedefaults", "get", "list", "create", "patch", "delete"),
    ),
}
"""Rules of a role by component or command."""


def permissions() -> str:
    """Return the page of the permissions."""
    consul = [_consul(*one) for one in CONSUL.items()]
    kubernetes = [_kubernetes(*one) for one in KUBERNETES.items()]
    return PROSE.read_text().format(consul="\n".join(consul), kubernetes="\n".join(kubernetes))


def _consul(subject: str, rules: tuple[Rule, ...]) -> str:
    width = max(len(one.text) for one in rules)
    lines = "\n".join(f"{one.text:{width}}  # {one.purpose.replace('`', '')}" for one in rules)
    return f"### {subject}\n\n```hcl\n{lines}\n```\n"


def _kubernetes(subject: str, rules: tuple[Access, ...]) -> str:
    lines = "\n".join(f"- {json.dumps(one)}" for one in rules)
    return f"### {subject}\n\n```yaml\n{lines}\n```\n"
