"""The bootstrap that Consul really renders from our entry, before the Envoys that we promise."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import toolchain
from consul_tracing.entries import proxy_defaults
from consul_tracing.settings import MeshSettings
from testbed.ports import LOOPBACK
from testbed.processes import ProgramFailed
from tests.mesh.traced_mesh import TracedMesh

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

ENVOYS = ["1.36.4", "1.37.0", "1.40.0"]
TRACERS: dict[str, dict[str, Any]] = {
    "zipkin": {"zipkin": {"hostname": "spans.example.com"}},
    "zipkin-protobuf": {"zipkin": {"encoding": "protobuf", "trace_id_128bit": False, "shared_span_context": True}},
    "zipkin-w3c": {"zipkin": {"propagation": "b3+w3c"}},
    "otlp-grpc": {"opentelemetry": {"service_name": "mesh", "resource_attributes": {"a": "b"}}},
    "otlp-http": {"opentelemetry": {"transport": "http"}},
    "datadog": {"datadog": {"service_name": "mesh"}},
}
TLS = ["plain", "tls", "mutual-tls"]

Render = Callable[[dict[str, Any]], str]


@pytest.fixture(scope="module")
def render(traced: TracedMesh) -> Iterator[Render]:
    """Writes a `Config` into Consul and gives the bootstrap that Consul makes of it for a sidecar."""
    consul, programs = traced.mesh.consul, traced.mesh.programs
    before = consul.config_entry("proxy-defaults", "global")
    flags = ["-sidecar-for=web", "-bootstrap", f"-grpc-addr=http://{LOOPBACK}:{consul.grpc_port}"]
    command = [toolchain.program("consul"), "connect", "envoy", *flags, "-ignore-envoy-compatibility"]

    def bootstrap(config: dict[str, Any]) -> str:
        consul.write_config_entry({"Kind": "proxy-defaults", "Name": "global", "Config": config})
        return programs.run("bootstrap", command, environment=consul.environment)

    yield bootstrap
    if before is None:
        consul.delete_config_entry("proxy-defaults", "global")
    else:
        consul.write_config_entry(before)


@pytest.fixture(scope="module")
def tls_files(traced: TracedMesh) -> dict[str, dict[str, str]]:
    """What `tls` is given in each case; Envoy reads the files when it starts."""
    programs = traced.mesh.programs
    directory = programs.make_directory("certificates")
    for wanted in (["ca", "create"], ["cert", "create", "-server"]):
        programs.run("consul tls", [toolchain.program("consul"), "tls", *wanted], directory=directory)
    tls = {"ca_file": str(directory / "consul-agent-ca.pem")}
    pair = directory / "dc1-server-consul-0.pem", directory / "dc1-server-consul-0-key.pem"
    return {"plain": {}, "tls": tls, "mutual-tls": {**tls, "certificate_file": str(pair[0]), "key_file": str(pair[1])}}


def config(args: dict[str, Any]) -> dict[str, Any]:
    mesh = MeshSettings.of("mesh", {"envoy_version": "1.36", **args})  # type: ignore[typeddict-item]
    body: dict[str, Any] = proxy_defaults(mesh).body["Config"]
    return body


def validate(traced: TracedMesh, version: str, bootstrap: str) -> None:
    """Envoy's own judgement of a bootstrap. Raises ProgramFailed with Envoy's last lines."""
    file = traced.mesh.programs.make_directory("bootstrap") / "bootstrap.json"
    file.write_text(bootstrap)
    traced.mesh.programs.run("envoy", [toolchain.program("envoy", version), "--mode", "validate", "-c", file])


CASES = [(tracer, tls, version) for tracer in TRACERS for tls in TLS for version in ENVOYS]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_envoy_accepts_the_bootstrap(
    traced: TracedMesh, render: Render, tls_files: dict[str, dict[str, str]], case: tuple[str, str, str]
) -> None:
    tracer, tls, version = case
    collector = {"host": "collector.example.com", **({"tls": tls_files[tls]} if tls_files[tls] else {})}
    clusters = [{"name": "statsd", "type": "STRICT_DNS", "connect_timeout": "1s"}]
    written = config({"collector": collector, "tracer": TRACERS[tracer], "static_clusters": clusters})
    validate(traced, version, render(written))


def test_envoy_refuses_a_tracer_that_it_does_not_know(traced: TracedMesh, render: Render) -> None:
    """The check above can fail."""
    wrong = {
        **config({"collector": {"host": "zipkin"}}),
        "envoy_tracing_json": '{"http":{"name":"envoy.tracers.none"}}',
    }
    with pytest.raises(ProgramFailed, match="Didn't find a registered implementation"):
        validate(traced, "1.37.0", render(wrong))
