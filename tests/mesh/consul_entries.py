"""Read and write config entries of Consul, and stack configurations for the tests."""

import re
from typing import Any

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


EXITED = "an unhandled error occurred: program exited with non-zero exit code: 1"

STACK = "pulumi:pulumi:Stack"


def summaries(output: str) -> list[tuple[str, str, str]]:
    """Return the type, the name and the lines of each resource in the summary of a failed run."""
    summary = output.partition("\nDiagnostics:\n")[2].partition("\nResources:\n")[0]
    parts = re.split(r"^  (\S+) \((.+)\):$", summary, flags=re.MULTILINE)[1:]
    return list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))


def errors_in(lines: str) -> list[str]:
    return re.findall(r"^    error: (.+(?:\n(?!    (?:error|warning): ).+)*)", lines, flags=re.MULTILINE)


def outcome(project: Project) -> str:
    """Return the output of an `up` if it fails, or an empty string."""
    try:
        project.up()
    except ProgramFailedError as error:
        return error.output
    return ""


def rejection(project: Project) -> str:
    """Return the output of an `up` that is rejected, with one message and without a traceback."""
    output = outcome(project)
    assert_rejected(output)
    return output


def assert_rejected(output: str) -> None:
    """Assert that a run failed with one message of the component and without a traceback."""
    assert "Traceback" not in output
    ((text, exited),) = (found for *_, lines in summaries(output) if (found := errors_in(lines)))
    assert (text[:18], exited) == ("consul-tracing: CT", EXITED)


def failed_writes(output: str) -> dict[str, str]:
    """Return the error of each resource that an `up` could not write. Each has one, and the component reports none.

    Pulumi ends the program with SIGINT after a failed write. What the language host prints then depends on the time.
    """
    found: dict[str, str] = {}
    for kind, name, lines in summaries(output):
        texts = errors_in(lines)
        if kind == STACK:
            assert not any("consul-tracing: CT" in text for text in texts), lines
        elif texts:
            assert "Traceback" not in lines
            (found[name],) = texts
    assert found or not output, output
    return found


def is_write_error(resource: str, error: str) -> bool:
    """Return whether the error of a service's resource is that of the plugin, which writes an entry and reads it."""
    written = f"failed to set '{resource.removeprefix('mesh-service-')}' config entry: "
    return error.startswith((written, "failed to read config entry: "))


def services(count: int) -> dict[str, Any]:
    return {f"service-{number}": {"protocol": "http"} for number in range(count)}
