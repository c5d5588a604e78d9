"""A Consul's config entries, as the tests of ownership and of faults write and read them."""

from typing import Any

import pytest

from testbed.consul import Consul
from testbed.gate import Gate
from testbed.processes import ProgramFailed
from testbed.pulumi import Project

MESH, WEB = ("proxy-defaults", "global"), ("service-defaults", "web")

PROMETHEUS = {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}
"""A key of `Config` that another tool writes."""

ARGUMENTS: dict[str, Any] = {"collector": {"host": "zipkin"}, "services": {"web": {"protocol": "http"}}}


def on(consul: Consul, **args: Any) -> dict[str, object]:
    """A stack's configuration: `args` beside or instead of `ARGUMENTS`."""
    return {"consul:address": consul.address, "consul-tracing:mesh": {**ARGUMENTS, **args}}


def through(gate: Gate, **args: Any) -> dict[str, object]:
    """The same configuration, with the gate as Consul's address."""
    return {**on(gate.consul, **args), "consul:address": gate.address}


def entries(consul: Consul) -> set[tuple[str, str]]:
    kinds = ["proxy-defaults", "service-defaults"]
    return {(entry["Kind"], entry["Name"]) for kind in kinds for entry in consul.get(f"/v1/config/{kind}") or []}


def live(consul: Consul, entry: tuple[str, str] = MESH) -> dict[str, Any]:
    found = consul.config_entry(*entry)
    assert found is not None
    return found


def put(consul: Consul, entry: tuple[str, str], **body: Any) -> None:
    consul.write_config_entry({"Kind": entry[0], "Name": entry[1], **body})


def add_to_config(consul: Consul, **keys: str) -> None:
    """What somebody does who reads the entry, adds a key and writes it back."""
    entry = live(consul)
    consul.write_config_entry({**entry, "Config": {**entry["Config"], **keys}})


def clear(consul: Consul) -> None:
    for kind, name in entries(consul):
        consul.delete_config_entry(kind, name)


def refusal(project: Project) -> str:
    """What an `up` that is refused tells: without a traceback."""
    with pytest.raises(ProgramFailed) as refused:
        project.up()
    assert "Traceback" not in refused.value.said
    return refused.value.said


def failure(project: Project) -> str:
    """The output of an `up` that fails while it writes; Pulumi interrupts the program, at times with a traceback."""
    with pytest.raises(ProgramFailed) as failed:
        project.up()
    return failed.value.said


def services(count: int) -> dict[str, Any]:
    return {f"service-{number}": {"protocol": "http"} for number in range(count)}


def outcome(project: Project) -> str:
    """What an `up` tells when it fails; empty when it does not."""
    try:
        project.up()
    except ProgramFailed as failed:
        return failed.said
    return ""
