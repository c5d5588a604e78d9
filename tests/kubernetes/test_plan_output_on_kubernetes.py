"""The output of previews and updates on Kubernetes, as golden files."""

from typing import Any

import pytest

from testbed.consul import Consul
from testbed.kubernetes import Cluster
from tests.kubernetes.conftest import MakesProject
from tests.kubernetes.mesh_objects import by_hand, object_of, on
from tests.plan_story import LISTENER_7_PERCENT, Record, names, services

pytestmark = pytest.mark.kubernetes


def service_by_hand(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "consul.hashicorp.com/v1alpha1",
        "kind": "ServiceDefaults",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"protocol": "tcp", "meshGateway": {"mode": "remote"}},
    }


def write_by_hand(cluster: Cluster, count: int) -> None:
    config = {"envoy_prometheus_bind_addr": "0.0.0.0:9102", "envoy_listener_tracing_json": LISTENER_7_PERCENT}
    cluster.create(by_hand(config=config, meshGateway={"mode": "local"}))
    for name in names(count):
        cluster.create(service_by_hand(name))


def change_by_hand(cluster: Cluster) -> None:
    listener: str = object_of(cluster)["spec"]["config"]["envoy_listener_tracing_json"]
    more = listener.replace('"random_sampling":{"value":1}', '"random_sampling":{"value":50}')
    cluster.edit("ProxyDefaults", "global", {"spec": {"config": {"envoy_listener_tracing_json": more}}})


@pytest.mark.parametrize("count", [1, 12])
def test_the_life_of_entries(project: MakesProject, cluster: Cluster, consul: Consul, count: int) -> None:
    declared: dict[str, Any] = {"services": services(count)}
    record, stack = Record(), project(configuration=on(cluster, **declared), stack="prod", refresh=False)
    record.both("create", stack)
    stack.destroy()

    write_by_hand(cluster, count)
    record.preview("unmanaged objects, existing: refuse", stack)
    stack.configure(on(cluster, **declared, existing="adopt"))
    record.both("unmanaged objects, existing: adopt", stack)
    record.preview("nothing changed", stack)
    declared["collector"] = {"host": "zipkin.example.com"}
    stack.configure(on(cluster, **declared))
    record.both("another collector: proxies must restart", stack)
    declared["services"] = services(count, "renamed-")
    stack.configure(on(cluster, **declared))
    record.both("keys of services renamed", stack)
    change_by_hand(cluster)
    record.preview("one object changed outside of Pulumi", stack)
    stack.refresh()
    stack.up()

    other = project(configuration=on(cluster, **declared), stack="other", refresh=False)
    record.preview("objects of another stack, existing: refuse", other)
    stack.configure(on(cluster, **declared, enabled=False))
    record.both("enabled: false", stack)
    stack.configure(on(cluster, **declared))
    record.both("enabled again", stack)
    other.configure(on(cluster, **declared, existing="overwrite"))
    record.preview("objects of another stack, existing: overwrite", other)
    stack.configure(on(cluster, **declared, release=True))
    record.both("release: true", stack)
    record.preview("released, nothing changed", stack)
    stack.destroy()
    other.configure(on(cluster, **declared, existing="adopt"))
    record.both("a released mesh is adopted by another stack", other)
    assert consul.config_entry("proxy-defaults", "global")
    record.compare(f"plans-kubernetes-{count}")
