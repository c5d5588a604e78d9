"""Golden files with the output of previews and updates on Kubernetes."""

from typing import Any

import pytest

from testbed.consul import Consul
from testbed.kubernetes import Cluster
from tests.kubernetes.conftest import ProjectFactory
from tests.kubernetes.mesh_objects import object_of, stack_config, unmanaged_proxy_defaults
from tests.plan_story import LISTENER_7_PERCENT, Record, names, services

pytestmark = pytest.mark.kubernetes

COUNT = 1
"""Number of services. The other backend's test has 12."""


def unmanaged_service_defaults(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "consul.hashicorp.com/v1alpha1",
        "kind": "ServiceDefaults",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"protocol": "tcp", "meshGateway": {"mode": "remote"}},
    }


def write_unmanaged_entries(cluster: Cluster) -> None:
    config = {"envoy_prometheus_bind_addr": "0.0.0.0:9102", "envoy_listener_tracing_json": LISTENER_7_PERCENT}
    cluster.create(unmanaged_proxy_defaults(config=config, meshGateway={"mode": "local"}))
    for name in names(COUNT):
        cluster.create(unmanaged_service_defaults(name))


def change_entries_outside_of_pulumi(cluster: Cluster) -> None:
    listener: str = object_of(cluster)["spec"]["config"]["envoy_listener_tracing_json"]
    changed = listener.replace('"random_sampling":{"value":1}', '"random_sampling":{"value":50}')
    cluster.edit("ProxyDefaults", "global", {"spec": {"config": {"envoy_listener_tracing_json": changed}}})


def test_lifecycle_output_matches_the_golden_file(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    declared: dict[str, Any] = {"services": services(COUNT)}
    record, stack = Record(), project(configuration=stack_config(cluster, **declared), stack="prod")
    record.both("create", stack)
    stack.destroy()

    write_unmanaged_entries(cluster)
    record.preview("unmanaged objects, existing: refuse", stack)
    stack.configure(stack_config(cluster, **declared, existing="adopt"))
    record.both("unmanaged objects, existing: adopt", stack)
    record.preview("nothing changed", stack)
    declared["collector"] = {"host": "zipkin.example.com"}
    stack.configure(stack_config(cluster, **declared))
    record.both("another collector: proxies must restart", stack)
    declared["services"] = services(COUNT, "renamed-")
    stack.configure(stack_config(cluster, **declared))
    record.both("keys of services renamed", stack)
    change_entries_outside_of_pulumi(cluster)
    record.preview("one object changed outside of Pulumi", stack)
    stack.refresh()
    stack.up()

    other = project(configuration=stack_config(cluster, **declared), stack="other")
    record.preview("objects of another stack, existing: refuse", other)
    stack.configure(stack_config(cluster, **declared, enabled=False))
    record.both("enabled: false", stack)
    stack.configure(stack_config(cluster, **declared))
    record.both("enabled again", stack)
    other.configure(stack_config(cluster, **declared, existing="overwrite"))
    record.preview("objects of another stack, existing: overwrite", other)
    stack.configure(stack_config(cluster, **declared, release=True))
    record.both("release: true", stack)
    record.preview("released, nothing changed", stack)
    stack.destroy()
    other.configure(stack_config(cluster, **declared, existing="adopt"))
    record.both("a released mesh is adopted by another stack", other)
    assert consul.config_entry("proxy-defaults", "global")
    record.compare(f"plans-kubernetes-{COUNT}")
