"""Traces of requests through gateways."""

import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import pytest

from consul_tracing.entries.bodies import canonical_json
from consul_tracing.envoy import gateway_runtime
from consul_tracing.inputs.tracer_settings import Sampling
from testbed import CHECKOUT
from testbed.envoy import Envoy
from testbed.http import Response, send_request
from testbed.ports import LOOPBACK, free_port
from tests.mesh.traced_mesh import TracedMesh, request_id, retried, sampled_id, span_names, unique_path

pytestmark = pytest.mark.mesh

BEHIND = [("api", "SERVER"), ("web", "CLIENT"), ("web", "SERVER")]
"""Spans of the two services behind a gateway."""


@contextmanager
def gateway(traced: TracedMesh, kind: str, envoy_arguments: Sequence[str] = ()) -> Iterator[int]:
    """Start a gateway for `web` and yield its port."""
    with gateway_proxy(traced, kind, envoy_arguments) as (port, _):
        yield port


@contextmanager
def gateway_proxy(  # noqa: PLR0913 - keyword options
    traced: TracedMesh,
    kind: str,
    envoy_arguments: Sequence[str] = (),
    *,
    version: str | None = None,
    environment: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
) -> Iterator[tuple[int, Envoy]]:
    """Start a gateway for `web` and yield its port and its proxy.

    `config`: keys of its registration.
    """
    consul, name, port = traced.mesh.consul, f"{kind}-gateway", free_port()
    if kind == "ingress":
        listener = {"Port": port, "Protocol": "http", "Services": [{"Name": "web", "Hosts": ["*"]}]}
        consul.write_config_entry({"Kind": name, "Name": name, "Listeners": [listener]})
    else:
        listener = {"Name": "http", "Port": port, "Protocol": "http"}
        consul.write_config_entry({"Kind": name, "Name": name, "Listeners": [listener]})
        parent = {"Kind": name, "Name": name, "SectionName": "http"}
        rules = [{"Services": [{"Name": "web"}]}]
        consul.write_config_entry({"Kind": "http-route", "Name": "to-web", "Rules": rules, "Parents": [parent]})
    address = f"-address={LOOPBACK}:{free_port()}"
    arguments = [f"-gateway={kind}", "-register", f"-service={name}", address]
    if config is not None:
        place = {"Address": LOOPBACK, "Port": free_port()}
        consul.register({"Kind": name, "Name": name, "ID": name, **place, "Proxy": {"Config": config}})
        arguments = [f"-gateway={kind}", f"-proxy-id={name}"]
    envoy = traced.mesh.start_envoy(
        name, arguments, envoy_arguments=envoy_arguments, version=version, environment=environment
    )
    try:
        envoy.wait_until_ready(listeners=1)
        traced.wait_until(retried(partial(enter, port)), f"{name} to reach web")
        yield port, envoy
    finally:
        envoy.stop()
        if kind == "api":
            # The entry remains: Consul 1.22.7 can panic (StatusFromStructs) when a new one gets its first status while
            # the subscription of a former gateway reads it.
            consul.delete_config_entry("http-route", "to-web")
        else:
            consul.delete_config_entry(name, name)


def enter(port: int, **headers: str) -> Response:
    """Send a request through the gateway. Underscores in the names of `headers` become hyphens."""
    request_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return send_request(port, unique_path(), headers={"Host": "web", **request_headers})


def enter_sampled(port: int) -> Response:
    """Send a request without a trace whose id is sampled at every rate above 0 %."""
    return enter(port, x_request_id=sampled_id())


def enter_traced(port: int) -> Response:
    """Send a request of a caller with its own sampled trace."""
    return enter(port, x_b3_traceid=secrets.token_hex(16), x_b3_spanid=secrets.token_hex(8), x_b3_sampled="1")


KINDS = pytest.mark.parametrize("kind", ["ingress", "api"])


@KINDS
def test_gateway_joins_only_traces_of_callers(traced: TracedMesh, kind: str) -> None:
    traced.apply()
    with gateway(traced, kind) as port:
        assert enter_sampled(port).json()["headers"]["x-b3-sampled"] == "0"
        joined = sorted([*BEHIND, (f"{kind}-gateway", "CLIENT")])
        assert span_names(traced.spans_of(enter_traced(port), 4)) == joined
        assert span_names(traced.spans_of(enter(port, x_client_trace_id="1"), 4)) == joined


@pytest.fixture(scope="module")
def gateway_envoy_args(traced: TracedMesh) -> list[str]:
    """The output `gateway_envoy_args` of the stack."""
    stack = traced.stack()
    stack.up()
    arguments: list[str] = stack.output("gateway_envoy_args")
    return arguments


@KINDS
def test_gateway_with_the_envoy_arguments_starts_traces(
    traced: TracedMesh, gateway_envoy_args: list[str], kind: str
) -> None:
    traced.apply()
    with gateway(traced, kind, gateway_envoy_args) as port:
        joined = sorted([*BEHIND, (f"{kind}-gateway", "CLIENT")])
        # The runtime layer replaces that of the test mesh, so the gateway flushes after five spans.
        own = [enter_sampled(port) for _ in range(3)]
        responses = [*own, enter_traced(port), enter(port, x_client_trace_id="1")]
        for response in responses:
            assert span_names(traced.spans_of(response, 4)) == joined


@pytest.mark.parametrize("percent", [1, 25])
def test_gateway_samples_at_the_random_sampling_rate(traced: TracedMesh, percent: int) -> None:
    """The runtime value must be a fraction: Envoy reads a plain number as a percentage."""
    traced.apply()
    runtime = canonical_json(gateway_runtime(Sampling(random=percent)))
    with gateway(traced, "ingress", ["--config-yaml", runtime]) as port:
        ids = [request_id(number) for number in (0, percent * 100 - 1, percent * 100, 9999)]
        decisions = [enter(port, x_request_id=one).json()["headers"]["x-b3-sampled"] for one in ids]
    assert decisions == ["1", "1", "0", "0"]


@KINDS
def test_skip_leaves_the_sampling_decision_to_the_first_sidecar(traced: TracedMesh, kind: str) -> None:
    traced.apply()
    traced.apply(gateways="skip")
    with gateway(traced, kind) as port:
        assert span_names(traced.spans_of(enter_sampled(port), 3)) == BEHIND
        assert span_names(traced.spans_of(enter_traced(port), 3)) == BEHIND
        traced.apply(gateways="skip", sampling={"random": 0})
        # The sidecar of web serves existing connections of the gateway with the previous listener.
        traced.wait_until(
            lambda: enter_sampled(port).json()["headers"].get("x-b3-sampled") == "0", "an unsampled request"
        )
        assert span_names(traced.spans_of(enter(port, x_client_trace_id="1"), 3)) == BEHIND
        assert span_names(traced.spans_of(enter_traced(port), 3)) == BEHIND


@contextmanager
def terminating_gateway(
    traced: TracedMesh, *, version: str | None = None, environment: Callable[[str], Mapping[str, str]] = lambda _: {}
) -> Iterator[list[Envoy]]:
    """Start the service `legacy` outside the mesh, its gateway `exit` and its caller, and yield the two proxies."""
    mesh, port = traced.mesh, free_port()
    legacy = mesh.programs.start(
        "legacy", [sys.executable, "-m", "testbed.services", "http", "legacy", f"--port={port}"], directory=CHECKOUT
    )
    mesh.consul.register({"ID": "legacy", "Name": "legacy", "Address": LOOPBACK, "Port": port})
    mesh.consul.write_config_entry({"Kind": "terminating-gateway", "Name": "exit", "Services": [{"Name": "legacy"}]})
    arguments = ["-gateway=terminating", "-register", "-service=exit", f"-address={LOOPBACK}:{free_port()}"]
    envoy = mesh.start_envoy("exit", arguments, version=version, environment=environment("exit"))
    caller = mesh.start_envoy(
        "legacy-client", ["-sidecar-for=legacy-client"], version=version, environment=environment("legacy-client")
    )
    try:
        envoy.wait_until_ready(listeners=1)
        caller.wait_until_ready(mesh.instances["legacy-client"].listeners)
        traced.wait_until(retried(partial(leave, traced)), "the terminating gateway to reach legacy")
        yield [envoy, caller]
    finally:
        mesh.programs.stop(caller.program, envoy.program, legacy)
        mesh.consul.delete_config_entry("terminating-gateway", "exit")
        mesh.consul.put("/v1/agent/service/deregister/legacy")


def leave(traced: TracedMesh, headers: Mapping[str, str] | None = None) -> Response:
    """Send a request through the terminating gateway."""
    return traced.mesh.request(unique_path(), headers, caller="legacy-client", to="legacy")


def test_terminating_gateway_reports_a_span(traced: TracedMesh) -> None:
    services = {name: {"protocol": "http"} for name in ("web", "api", "legacy")}
    traced.apply(services=services)
    with terminating_gateway(traced):
        response = leave(traced, {"x-request-id": sampled_id()})
        assert span_names(traced.spans_of(response, 2)) == [("exit", "SERVER"), ("legacy-client", "CLIENT")]
