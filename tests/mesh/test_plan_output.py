"""Golden files with the output of previews and updates on Consul's API."""

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, live, put, stack_config
from tests.plan_story import LISTENER_7_PERCENT, Record, names, services

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

COUNT = 12
"""Number of services. The other backend's test has 1."""


def write_unmanaged_entries(consul: Consul) -> None:
    config = {"envoy_prometheus_bind_addr": "0.0.0.0:9102", "envoy_listener_tracing_json": LISTENER_7_PERCENT}
    put(consul, MESH, Config=config, MeshGateway={"Mode": "local"})
    for name in names(COUNT):
        put(consul, ("service-defaults", name), Protocol="tcp", LocalRequestTimeoutMs=5000)


def change_entries_outside_of_pulumi(consul: Consul) -> None:
    entry = live(consul)
    listener = entry["Config"]["envoy_listener_tracing_json"].replace(
        '"random_sampling":{"value":1}', '"random_sampling":{"value":50}'
    )
    put(consul, MESH, **{**entry, "Config": {**entry["Config"], "envoy_listener_tracing_json": listener}})
    consul.delete_config_entry("service-defaults", "service-01")


def test_lifecycle_output_matches_the_golden_file(programs: Programs, consul: Consul) -> None:
    declared = {"services": services(COUNT)}
    record, stack = Record(), Project(programs, CHECKOUT, stack_config(consul, **declared), stack="prod")
    record.both("create", stack)
    stack.destroy()

    write_unmanaged_entries(consul)
    record.preview("unmanaged entries, existing: refuse", stack)
    stack.configure(stack_config(consul, **declared, existing="adopt"))
    record.both("unmanaged entries, existing: adopt", stack)
    record.preview("nothing changed", stack)
    stack.configure(stack_config(consul, **declared, collector={"host": "zipkin.example.com"}))
    record.both("another collector: proxies must restart", stack)
    declared = {"services": services(COUNT, "renamed-"), "collector": {"host": "zipkin.example.com"}}
    stack.configure(stack_config(consul, **declared))
    record.both("keys of services renamed", stack)
    change_entries_outside_of_pulumi(consul)
    record.both("one entry changed and one deleted outside of Pulumi", stack)
    stack.refresh()
    stack.up()

    other = Project(programs, CHECKOUT, stack_config(consul, **declared), stack="other")
    record.preview("entries of another stack, existing: refuse", other)
    stack.configure(stack_config(consul, **declared, enabled=False))
    record.both("enabled: false", stack)
    stack.configure(stack_config(consul, **declared))
    record.both("enabled again", stack)
    other.configure(stack_config(consul, **declared, existing="overwrite"))
    record.both("entries of another stack, existing: overwrite", other)
    record.preview("the stack whose entries were overwritten", stack)
    other.configure(stack_config(consul, **declared, release=True))
    record.both("release: true", other)
    record.preview("released, nothing changed", other)
    other.destroy()
    assert live(consul)["Config"]["envoy_tracing_json"]
    stack.configure(stack_config(consul, **declared, existing="adopt"))
    record.both("a released mesh is adopted", stack)
    record.compare(f"plans-consul-{COUNT}")
