"""Requests that enter or leave the mesh through a gateway."""

import secrets
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from consul_tracing.entries import canonical_json
from consul_tracing.envoy import gateway_runtime
from consul_tracing.settings import Sampling
from testbed import CHECKOUT
from testbed.http import Answer, ask
from testbed.ports import LOOPBACK, free_port
from tests.mesh.consul_entries import refusal
from tests.mesh.traced_mesh import TracedMesh, retried, told, unique_path

pytestmark = pytest.mark.mesh

BEHIND = [("api", "SERVER"), ("web", "CLIENT"), ("web", "SERVER")]
"""The spans of the two services behind a gateway."""


@contextmanager
def gateway(traced: TracedMesh, kind: str, envoy_arguments: Sequence[str] = ()) -> Iterator[int]:
    """A gateway before `web`, freshly started; yields its port."""
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
    envoy = traced.mesh.start_envoy(name, arguments, envoy_arguments=envoy_arguments)
    try:
        envoy.wait_until_ready(listeners=1)
        traced.wait_until(retried(partial(enter, port)), f"{name} to reach web")
        yield port
    finally:
        envoy.stop()
        if kind == "api":
            consul.delete_config_entry("http-route", "to-web")
        consul.delete_config_entry(name, name)


def enter(port: int, **headers: str) -> Answer:
    """A request through the gateway, with `headers` written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(port, unique_path(), headers={"Host": "web", **named})


def enter_traced(port: int) -> Answer:
    """A request of a caller that traces itself."""
    return enter(port, x_b3_traceid=secrets.token_hex(16), x_b3_spanid=secrets.token_hex(8), x_b3_sampled="1")


KINDS = pytest.mark.parametrize("kind", ["ingress", "api"])


@KINDS
def test_a_gateway_silences_plain_requests_and_joins_the_traces_of_callers(traced: TracedMesh, kind: str) -> None:
    traced.apply()
    with gateway(traced, kind) as port:
        assert enter(port).json()["headers"]["x-b3-sampled"] == "0"
        joined = sorted([*BEHIND, (f"{kind}-gateway", "CLIENT")])
        assert told(traced.spans_of(enter_traced(port), 4)) == joined
        assert told(traced.spans_of(enter(port, x_client_trace_id="1"), 4)) == joined


@pytest.fixture(scope="module")
def gateway_envoy_args(traced: TracedMesh) -> list[str]:
    """The stack's output of this name."""
    stack = traced.stack()
    stack.up()
    arguments: list[str] = stack.output("gateway_envoy_args")
    return arguments


@KINDS
def test_a_gateway_started_with_our_arguments_starts_traces_itself(
    traced: TracedMesh, gateway_envoy_args: list[str], kind: str
) -> None:
    traced.apply()
    with gateway(traced, kind, gateway_envoy_args) as port:
        joined = sorted([*BEHIND, (f"{kind}-gateway", "CLIENT")])
        # Its own runtime replaces ours, so it reports five spans at once.
        answers = [enter(port), enter_traced(port), enter(port, x_client_trace_id="1"), enter(port), enter(port)]
        for answer in answers:
            assert told(traced.spans_of(answer, 4)) == joined


@pytest.mark.parametrize(("percent", "requests", "fewest", "most"), [(1, 800, 1, 20), (25, 400, 65, 135)])
def test_a_gateway_samples_at_the_rate_that_the_mesh_has(
    traced: TracedMesh, percent: float, requests: int, fewest: int, most: int
) -> None:
    """Envoy takes a plain number in its runtime as percent, so that 1 % would become 100 %.

    The bounds are about four standard deviations of a binomial distribution.
    """
    traced.apply()
    runtime = canonical_json(gateway_runtime(Sampling(random=percent)))
    with gateway(traced, "ingress", ["--config-yaml", runtime]) as port, ThreadPoolExecutor(4) as pool:
        decisions = list(pool.map(lambda _: enter(port).json()["headers"]["x-b3-sampled"], range(requests)))
    assert fewest <= decisions.count("1") <= most


@KINDS
def test_with_skip_the_first_sidecar_decides(traced: TracedMesh, kind: str) -> None:
    traced.apply()
    traced.apply(gateways="skip")
    with gateway(traced, kind) as port:
        assert told(traced.spans_of(enter(port), 3)) == BEHIND
        assert told(traced.spans_of(enter_traced(port), 3)) == BEHIND
        traced.apply(gateways="skip", sampling={"random": 0})
        # The gateway keeps its connections to web's sidecar, which serves them with the listener that it replaced.
        traced.wait_until(lambda: enter(port).json()["headers"].get("x-b3-sampled") == "0", "an unsampled request")
        assert told(traced.spans_of(enter(port, x_client_trace_id="1"), 3)) == BEHIND
        assert told(traced.spans_of(enter_traced(port), 3)) == BEHIND


def test_skip_is_refused_while_proxies_cannot_have_the_cluster(traced: TracedMesh) -> None:
    traced.apply(enabled=False)
    before = traced.proxy_defaults()
    assert "2. restart every proxy, so that it starts with the cluster" in refusal(traced.stack(gateways="skip"))
    assert traced.proxy_defaults() == before


def test_a_terminating_gateways_span_appears(traced: TracedMesh) -> None:
    services = {name: {"protocol": "http"} for name in ("web", "api", "legacy")}
    traced.apply(services=services)
    mesh, port = traced.mesh, free_port()
    legacy = mesh.programs.start(
        "legacy", [sys.executable, "-m", "testbed.services", "http", "legacy", f"--port={port}"], directory=CHECKOUT
    )
    mesh.consul.register({"ID": "legacy", "Name": "legacy", "Address": LOOPBACK, "Port": port})
    mesh.consul.write_config_entry({"Kind": "terminating-gateway", "Name": "exit", "Services": [{"Name": "legacy"}]})
    arguments = ["-gateway=terminating", "-register", "-service=exit", f"-address={LOOPBACK}:{free_port()}"]
    envoy = mesh.start_envoy("exit", arguments)
    try:
        envoy.wait_until_ready(listeners=1)
        mesh.start_sidecars("legacy-client")

        def leave() -> Answer:
            return mesh.request(unique_path(), caller="legacy-client", to="legacy")

        answer = traced.wait_until(retried(leave), "the terminating gateway to reach legacy")
        names = {name for name, _ in told(traced.spans_of(answer, 2))}
        assert names == {"legacy-client", "exit"}
    finally:
        mesh.stop_sidecars("legacy-client")
        envoy.stop()
        mesh.programs.stop(legacy)
        mesh.consul.delete_config_entry("terminating-gateway", "exit")
        mesh.consul.put("/v1/agent/service/deregister/legacy")
