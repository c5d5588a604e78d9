"""Read and write config entries of Consul, and stack configurations for the tests."""

from typing import Any

import pytest

from testbed.consul import Consul
from testbed.processes import ProgramFailedError
from testbed.pulumi import Project
from testbed.request_recorder import RequestRecorder

MESH, WEB = ("proxy-defaults", "global"), ("service-defaults", "web")

PROMETHEUS = {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}
"""A `Config` key of another owner."""

ARGUMENTS: dict[str, Any] = {"collector": {"host": "zipkin"}, "services": {"web": {"protocol": "http"}}}


def stack_config(consul: Consul, **args: Any) -> dict[str, object]:
    """Return a stack configuration with `ARGUMENTS` updated with `args`."""
    return {"consul:address": consul.address, "consul-tracing:mesh": {**ARGUMENTS, **args}}


def recorded_stack_config(recorder: RequestRecorder, **args: Any) -> dict[str, object]:
    """Return the same configuration with the address of the recorder."""
    return {**stack_config(recorder.consul, **args), "consul:address": recorder.address}


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
    """Add keys to the live entry as another owner."""
    entry = live(consul)
    consul.write_config_entry({**entry, "Config": {**entry["Config"], **keys}})


def clear(consul: Consul) -> None:
    for kind, name in entries(consul):
        consul.delete_config_entry(kind, name)


def rejection(project: Project) -> str:
    """Return the output of an `up` that is rejected, without a traceback."""
    with pytest.raises(ProgramFailedError) as error:
        project.up()
    assert "Traceback" not in error.value.output
    return error.value.output


def failure(project: Project) -> str:
    """Return the output of an `up` that fails during the writes. Pulumi may interrupt the program with a traceback."""
    with pytest.raises(ProgramFailedError) as error:
        project.up()
    return error.value.output


def services(count: int) -> dict[str, Any]:
    return {f"service-{number}": {"protocol": "http"} for number in range(count)}


def outcome(project: Project) -> str:
    """Return the output of an `up` if it fails, or an empty string."""
    try:
        project.up()
    except ProgramFailedError as error:
        return error.output
    return ""
