"""The output of previews and updates on Consul's API, as golden files."""

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, live, on, put
from tests.plan_story import LISTENER_7_PERCENT, Record, names, services

pytestmark = [pytest.mark.mesh, pytest.mark.slow]


def write_by_hand(consul: Consul, count: int) -> None:
    config = {"envoy_prometheus_bind_addr": "0.0.0.0:9102", "envoy_listener_tracing_json": LISTENER_7_PERCENT}
    put(consul, MESH, Config=config, MeshGateway={"Mode": "local"})
    for name in names(count):
        put(consul, ("service-defaults", name), Protocol="tcp", LocalRequestTimeoutMs=5000)


def change_by_hand(consul: Consul) -> None:
    entry = live(consul)
    listener = entry["Config"]["envoy_listener_tracing_json"].replace(
        '"random_sampling":{"value":1}', '"random_sampling":{"value":50}'
    )
    put(consul, MESH, **{**entry, "Config": {**entry["Config"], "envoy_listener_tracing_json": listener}})
    consul.delete_config_entry("service-defaults", "service-01")


@pytest.mark.parametrize("count", [1, 12])
def test_the_life_of_entries(programs: Programs, consul: Consul, count: int) -> None:
    declared = {"services": services(count)}
    record, stack = Record(), Project(programs, CHECKOUT, on(consul, **declared), stack="prod", refresh=False)
    record.both("create", stack)
    stack.destroy()

    write_by_hand(consul, count)
    record.preview("unmanaged entries, existing: refuse", stack)
    stack.configure(on(consul, **declared, existing="adopt"))
    record.both("unmanaged entries, existing: adopt", stack)
    record.preview("nothing changed", stack)
    stack.configure(on(consul, **declared, collector={"host": "zipkin.example.com"}))
    record.both("another collector: proxies must restart", stack)
    declared = {"services": services(count, "renamed-"), "collector": {"host": "zipkin.example.com"}}
    stack.configure(on(consul, **declared))
    record.both("keys of services renamed", stack)
    change_by_hand(consul)
    record.both("one entry changed and one deleted outside of Pulumi", stack)
    stack.refresh()
    stack.up()

    other = Project(programs, CHECKOUT, on(consul, **declared), stack="other", refresh=False)
    record.preview("entries of another stack, existing: refuse", other)
    stack.configure(on(consul, **declared, enabled=False))
    record.both("enabled: false", stack)
    stack.configure(on(consul, **declared))
    record.both("enabled again", stack)
    other.configure(on(consul, **declared, existing="overwrite"))
    record.both("entries of another stack, existing: overwrite", other)
    record.preview("the stack whose entries were overwritten", stack)
    other.configure(on(consul, **declared, release=True))
    record.both("release: true", other)
    record.preview("released, nothing changed", other)
    other.destroy()
    assert live(consul)["Config"]["envoy_tracing_json"]
    stack.configure(on(consul, **declared, existing="adopt"))
    record.both("a released mesh is adopted", stack)
    record.compare(f"plans-consul-{count}")
