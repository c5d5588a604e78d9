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


INTERRUPTED = re.compile(
    r"\n    Traceback \(most recent call last\):\n(?:(?!    (?:error|warning): |  \S).*\n)*?    KeyboardInterrupt\n"
    r"(?:(?!    (?:error|warning): |  \S).*\n)*"
)
"""The tracebacks that the language host may print after a failed write, when Pulumi ends the program with SIGINT: that
of the interruption, and those of what Python cannot finish after it."""

EXITED = "an unhandled error occurred: program exited with non-zero exit code: 1"

PROGRAM_ENDED = {"update failed", EXITED}
"""Errors of the stack after a failed write. Pulumi reports the end of the program if it ends before SIGINT."""


def errors(output: str) -> dict[str, list[str]]:
    """Return the errors of each resource in the summary of a failed run, which has no other traceback."""
    summary = INTERRUPTED.sub("\n", output.partition("\nDiagnostics:\n")[2].partition("\nResources:\n")[0])
    assert "Traceback" not in summary, summary
    found: dict[str, list[str]] = {}
    for block in re.split(r"^  \S+ (?=\(.+\):$)", summary, flags=re.MULTILINE)[1:]:
        name, _, lines = block.partition(":\n")
        messages = re.findall(r"^    error: (.+(?:\n(?!    (?:error|warning): ).+)*)", lines, flags=re.MULTILINE)
        if messages:
            found[name[1:-1]] = messages
    return found


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
    ((text, exited),) = errors(output).values()
    assert (text[:18], exited) == ("consul-tracing: CT", EXITED)


def failed_writes(output: str) -> dict[str, str]:
    """Return the error of each resource that an `up` could not write. Each has one, and the program has none."""
    found = {name: [text for text in texts if text not in PROGRAM_ENDED] for name, texts in errors(output).items()}
    return {name: text for name, (text,) in ((name, texts) for name, texts in found.items() if texts)}


def is_write_error(resource: str, error: str) -> bool:
    """Return whether the error of a service's resource is that of the plugin, which writes an entry and reads it."""
    written = f"failed to set '{resource.removeprefix('mesh-service-')}' config entry: "
    return error.startswith((written, "failed to read config entry: "))


def services(count: int) -> dict[str, Any]:
    return {f"service-{number}": {"protocol": "http"} for number in range(count)}
