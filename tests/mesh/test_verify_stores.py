"""`consul-tracing verify` with each trace store that can run here: complete traces, causes, and no false alarm."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from consul_tracing.entries.bodies import gateway_arguments
from consul_tracing.inputs.mesh_settings import MeshSettings
from testbed.http import send_request, url
from testbed.jaeger import Jaeger
from tests.mesh.sampled_traces import choose, flushing
from tests.mesh.tempo_stand_in import tempo_over
from tests.mesh.test_collectors import server_pair
from tests.mesh.test_gateways import KINDS, gateway_proxy
from tests.mesh.trace_stores import to_jaeger
from tests.mesh.traced_mesh import TRACE_ALL, TracedMesh, retried, unique_path
from tests.mesh.verify_runs import (
    NONE,
    SAMPLED,
    W3C,
    assert_causes,
    assert_complete,
    diagnosis,
    verify,
    web_without_headers,
)
from tests.unit.http_server import Headers, serving

pytestmark = pytest.mark.mesh

ZIPKIN: dict[str, Any] = {"zipkin": {}}
TRACERS: dict[str, dict[str, Any]] = {
    "zipkin": ZIPKIN,
    "otlp-grpc": {"opentelemetry": {}},
    "otlp-http": {"opentelemetry": {"transport": "http"}},
}
VERSIONS = ("1.36.4", "1.40.0")
"""The oldest and the newest Envoy that the tests use."""

DEFAULT_LANE = ("1.40.0", 1)
"""Version and rate of the healthy meshes of `make test`."""


def deploy(traced: TracedMesh, jaeger: Jaeger, tracer: str, version: str | None = None, **args: Any) -> None:
    """Send the spans of a tracer to Jaeger. Each proxy has the name of its service."""
    settings = to_jaeger(TRACERS[tracer], jaeger) | args
    choose(traced, version, MeshSettings.of("mesh", traced.arguments(**settings)).tracer)
    traced.apply(**settings)


def context(tracer: str) -> list[str]:
    """Return the option for a trace context that the tracer follows."""
    return [] if tracer == "zipkin" else [W3C]


@pytest.mark.parametrize("tracer", TRACERS)
def test_traces_in_jaeger(traced: TracedMesh, jaeger: Jaeger, tracer: str) -> None:
    """Each tracer reads the trace context of this command by default."""
    deploy(traced, jaeger, tracer, sampling={"random": 1})
    assert_complete(traced, jaeger=jaeger)
    # Without a Consul, the tracer is not known.
    assert_complete(traced, jaeger=jaeger, consul=False)
    deploy(traced, jaeger, tracer, sampling=TRACE_ALL)
    assert_trace_and_causes(traced, jaeger)


@pytest.mark.parametrize("tracer", ["zipkin", "otlp-grpc"])
def test_traces_in_the_form_of_tempo(traced: TracedMesh, jaeger: Jaeger, tracer: str) -> None:
    deploy(traced, jaeger, tracer, sampling=TRACE_ALL)
    with tempo_over(jaeger) as tempo:
        assert_trace_and_causes(traced, jaeger, f"--store=tempo={tempo}", *context(tracer))


def assert_trace_and_causes(traced: TracedMesh, jaeger: Jaeger, *options: str) -> None:
    """Assert that complete traces are found, and the causes of incomplete ones."""
    assert_complete(traced, *options, jaeger=jaeger)
    # Without a trace context the proxy chooses the id of the trace, which is found by the user agent.
    assert_complete(traced, *options, NONE, jaeger=jaeger)
    assert_complete(traced, *options, NONE, jaeger=jaeger, expect="", proxies=[])
    diagnose = partial(diagnosis, traced, *options, jaeger=jaeger)
    with web_without_headers(traced):
        assert_causes(result := diagnose(), "CT408", "web")
        assert result.report["missing"] == ["api"]
        other = result.evidence.partition("started trace ")[2].partition(" ")[0]
        assert {span.service for span in jaeger.trace(other)} == {"web", "api"}
    traced.mesh.stop_service("web")
    try:
        assert_causes(result := diagnose(), "CT411", "the")
        assert "status 503; it ended at the SERVER span of web" in result.evidence
    finally:
        traced.mesh.restart_service("web")
    traced.wait_until(retried(partial(traced.mesh.request, unique_path())), "a successful request")
    assert_complete(traced, *options, jaeger=jaeger)


@pytest.mark.parametrize(
    ("args", "options"),
    [
        # Jaeger gives the span of the server an id of its own.
        ({"tracer": {"zipkin": {"shared_span_context": True}}}, []),
        ({"tracer": {"zipkin": {"encoding": "protobuf"}}}, []),
        ({"tracer": {"zipkin": {"propagation": "b3+w3c"}}}, [W3C]),
        ({"spans": {"spawn_upstream_span": True, "verbose": True}}, []),
        ({"tags": {"team": {"literal": "core"}}}, ["--requests=5"]),
    ],
    ids=["shared", "protobuf", "w3c", "upstream-spans", "requests"],
)
def test_variants_in_jaeger(traced: TracedMesh, jaeger: Jaeger, args: dict[str, Any], options: list[str]) -> None:
    choose(traced, None, None)
    traced.apply(**to_jaeger(ZIPKIN, jaeger) | args)
    for one in (options, SAMPLED):
        assert_complete(traced, *one, jaeger=jaeger)


@KINDS
def test_gateway_in_jaeger(traced: TracedMesh, jaeger: Jaeger, kind: str) -> None:
    deploy(traced, jaeger, "zipkin")
    settings = MeshSettings.of("mesh", traced.arguments(**to_jaeger(ZIPKIN, jaeger)))
    sidecars = [traced.mesh.sidecars[name] for name in ("web", "api")]
    with gateway_proxy(traced, kind, flushing(gateway_arguments(settings))) as (port, envoy):
        for options in ((), SAMPLED):
            expect, proxies = f"{kind}-gateway,web,api", [envoy, *sidecars]
            assert_complete(traced, *options, port=port, expect=expect, proxies=proxies, jaeger=jaeger)


def test_short_trace_ids_in_jaeger(traced: TracedMesh, jaeger: Jaeger) -> None:
    choose(traced, None, None)
    traced.apply(**to_jaeger(ZIPKIN, jaeger) | {"tracer": {"zipkin": {"trace_id_128bit": False}}})
    assert_complete(traced, *SAMPLED, jaeger=jaeger)
    assert_complete(
        traced,
        "--header=x-b3-traceid: 00ab8e2d7a1cf03b",
        "--header=x-b3-spanid: 00ab8e2d7a1cf03c",
        "--header=x-b3-sampled: 1",
        jaeger=jaeger,
    )


@pytest.mark.parametrize("tracer", TRACERS)
def test_jaeger_is_down(traced: TracedMesh, jaeger: Jaeger, tracer: str) -> None:
    deploy(traced, jaeger, tracer)
    jaeger.stop()
    try:
        assert_causes(verify(traced, *context(tracer), jaeger=jaeger), "CT410", "the")
    finally:
        jaeger.start()
        jaeger.wait_until_ready()
    assert_complete(traced, *context(tracer), jaeger=jaeger)


def test_store_behind_https_with_a_path_a_token_and_an_authority_of_its_own(
    traced: TracedMesh, jaeger: Jaeger, certificates: Path, tmp_path: Path
) -> None:
    def answer(path: str, headers: Headers) -> tuple[int, object]:
        if headers.get("authorization") != "Bearer secret":
            return 401, b""
        response = send_request(jaeger.port, path.removeprefix("/traces"))
        return response.status, response.body

    deploy(traced, jaeger, "zipkin")
    (tmp_path / "token").write_text("secret\n")
    authority, token = f"--ca-file={certificates}/consul-agent-ca.pem", f"--store-token-file={tmp_path}/token"
    with serving(answer, certificate=server_pair(certificates)) as address:
        store = f"--store=jaeger=https://{address}/traces/search?service=web"
        assert_complete(traced, store, authority, token)
        for options, reason in (
            ([token], "certificate verify failed"),
            ([authority], "requires authentication (status 401): use --store-token-file"),
        ):
            assert_causes(result := verify(traced, store, *options), "CT410", "the")
            assert reason in result.evidence
            assert f"https://{address}/traces" in result.evidence
            assert "secret" not in str(result.report)


def test_other_program_at_the_address_of_the_store_is_named(traced: TracedMesh, jaeger: Jaeger) -> None:
    deploy(traced, jaeger, "zipkin")
    stores = {
        f"zipkin=127.0.0.1:{jaeger.port}": f"is Jaeger, not Zipkin: set --store to jaeger={url(jaeger.port)}",
        f"jaeger={traced.mesh.zipkin.url}": f"is Zipkin, not Jaeger: set --store to zipkin={traced.mesh.zipkin.url}",
        f"jaeger=127.0.0.1:{jaeger.otlp_http_port}": "is a receiver of OTLP spans, not Jaeger",
        f"tempo=127.0.0.1:{jaeger.otlp_grpc_port}": "cannot be read",
        f"tempo={traced.mesh.consul.address}": "has status 404 for /api/echo: it is not Tempo, or has another path",
    }
    for store, expected in stores.items():
        assert_causes(result := verify(traced, f"--store={store}"), "CT410", "the")
        assert expected.rstrip("/") in result.evidence


@dataclass(frozen=True)
class Cell:
    """A healthy mesh."""

    version: str
    tracer: str
    store: str
    rate: int

    def __str__(self) -> str:
        return f"{self.version}-{self.tracer}-{self.store}-{self.rate}"

    @property
    def runs(self) -> list[Sequence[str]]:
        """Options for a request with a trace context, and for one without it that is sampled."""
        if self.tracer == "zipkin":
            return [context(self.tracer), SAMPLED]
        # The sampler decides by the id of the trace, which the proxy chooses.
        return [context(self.tracer), *([[NONE]] if self.rate == TRACE_ALL["random"] else [])]


CELLS = [
    pytest.param(cell, id=str(cell), marks=[] if (version, rate) == DEFAULT_LANE else [pytest.mark.slow])
    for version in VERSIONS
    for tracer, store in [("zipkin", "zipkin"), *((tracer, "jaeger") for tracer in TRACERS)]
    for rate in (1, 10, 100)
    for cell in [Cell(version, tracer, store, rate)]
]


@pytest.mark.parametrize("cell", CELLS)
def test_healthy_mesh_has_no_cause(traced: TracedMesh, jaeger: Jaeger, cell: Cell) -> None:
    if cell.store == "zipkin":
        choose(traced, cell.version, None)
        traced.apply(sampling={"random": cell.rate})
    else:
        deploy(traced, jaeger, cell.tracer, cell.version, sampling={"random": cell.rate})
    stored = jaeger if cell.store == "jaeger" else None
    for options in cell.runs:
        assert_complete(traced, *options, jaeger=stored)
