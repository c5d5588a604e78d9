"""Credentials of the collector, which proxies read from a file, and other inputs of the delivery of spans."""

import json
import secrets
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from consul_tracing.envoy_messages.credential_filter import secret_file
from testbed.collectors import Received, http_collector, otlp_grpc_collector
from testbed.envoy import Envoy
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Programs
from tests.mesh.sampled_traces import VERSIONS, running
from tests.mesh.test_collectors import server_pair, tls_collector
from tests.mesh.traced_mesh import TRACED, TracedMesh, sampled_parent
from tests.mesh.verify_runs import W3C, assert_causes, diagnosis, verify

pytestmark = pytest.mark.mesh

SECONDS_BETWEEN_READS = 2
TRACERS: dict[str, dict[str, Any]] = {
    "zipkin": {"zipkin": {}},
    "otlp-http": {"opentelemetry": {"transport": "http"}},
    "otlp-grpc": {"opentelemetry": {}},
}
EACH_TRACER = pytest.mark.parametrize("tracer", TRACERS)


def collector_of(tracer: str, *pair: Path, **options: Any) -> AbstractContextManager[Received]:
    """Start a receiver for a tracer."""
    return (otlp_grpc_collector if tracer == "otlp-grpc" else http_collector)(*pair, **options)


def exported(traced: TracedMesh, received: Received, header: str = "x-api-key") -> set[str | None]:
    """Send a request, and return the values of a header in the exports of its four spans."""
    received.headers.clear()
    assert traced.request(sampled_parent(secrets.token_hex(16))).status == 200
    traced.wait_until(lambda: len(received.headers) >= 4, "four exports")
    return {one.get(header) for one in received.headers}


def wait_for_value(traced: TracedMesh, received: Received, value: str) -> None:
    """Wait until all exports have this credential."""
    traced.wait_until(lambda: exported(traced, received) == {value}, f"exports with {value}", seconds=10)


def replace(file: Path, text: str) -> None:
    """Replace a file by a rename."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


def swap(volume: Path, token: str) -> None:
    """Write a file as the kubelet updates a volume: a new directory, and a rename of the link `..data`."""
    version = volume / f"..{secrets.token_hex(4)}"
    version.mkdir()
    (version / "token").write_text(token)
    (volume / "..new").symlink_to(version.name)
    (volume / "..new").rename(volume / "..data")
    if not (volume / "token").is_symlink():
        (volume / "token").symlink_to("..data/token")


def secret_files(named: Path) -> dict[str, str]:
    """Return SDS files as people write them, by the value of the header. `named`: a file with the value."""
    files = {value: json.dumps(secret_file(value), indent=2) for value in ("Bearer json", "compact")}
    files["compact"] = json.dumps(secret_file("compact"), separators=(",", ":"))
    files["camel"] = files["compact"].replace("compact", "camel").replace("inline_string", "inlineString")
    files["yaml"] = yaml.safe_dump(secret_file("yaml"))
    for quote in ("'", '"'):
        files[f"Bearer {ord(quote)}"] = yaml.safe_dump(secret_file("@")).replace(
            "'@'", f"{quote}Bearer {ord(quote)}{quote}"
        )
    return {**files, "named": json.dumps(secret_file(str(named))).replace("inline_string", "filename")}


def unread_files() -> list[str]:
    """Return SDS files of which a reader of less than JSON and YAML would make a wrong value."""
    as_json, as_yaml = json.dumps(secret_file("@")), yaml.safe_dump(secret_file("@"))
    scalars = ("|\n  a", ">-\n  a", "a # note", "'it''s'", '"a\\u0026"', "*a", "")
    files = [as_yaml.replace("'@'", scalar) for scalar in scalars]
    return [*files, as_json.replace('"@"', r'"a\"b"'), as_json.replace('"@"', "a"), as_json.replace("@", "a" * 9000)]


def read_errors(sidecar: Envoy) -> int:
    return sum(sidecar.stats("lua.credential.errors").values())


def authorized(received: Received, file: Path, **more: Any) -> dict[str, Any]:
    return {"host": LOOPBACK, "port": received.port, "auth": {"header": "X-Api-Key", "file": str(file)}, **more}


@VERSIONS
@EACH_TRACER
def test_credential_is_read_from_a_file_while_the_proxies_run(
    traced: TracedMesh, programs: Programs, tracer: str, version: str
) -> None:
    file = programs.make_directory("credential") / 'a "token"'
    tokens = [secrets.token_hex(8) for _ in range(3)]
    with running(traced, version), collector_of(tracer) as received:
        traced.apply(collector=authorized(received, file), tracer=TRACERS[tracer])
        # Without the file the proxies start, and requests succeed.
        assert exported(traced, received) == {None}
        started = {name: one.program.process.pid for name, one in traced.mesh.sidecars.items()}
        logs = traced.mesh.sidecars["web"].program.output
        assert f"cannot be read: {file}: No such file" in logs()
        file.write_text(f"Bearer {tokens[0]}\n")
        wait_for_value(traced, received, f"Bearer {tokens[0]}")
        replace(file, f" Bearer {tokens[1]}\r\n")
        wait_for_value(traced, received, f"Bearer {tokens[1]}")
        for unusable in ("", "two\nlines", "naïve", "a\0b", json.dumps(secret_file(""))):
            replace(file, unusable)
            assert exported(traced, received) == {f"Bearer {tokens[1]}"}, "the former credential"
        file.unlink()
        assert exported(traced, received) == {f"Bearer {tokens[1]}"}
        replace(file, tokens[2])
        wait_for_value(traced, received, tokens[2])
        assert {name: one.program.process.pid for name, one in traced.mesh.sidecars.items()} == started
        shown = [json.dumps(one.config_dump()) + one.program.output() for one in traced.proxies]
        shown.append(json.dumps(traced.proxy_defaults()))
        assert not any(token in text for token in tokens for text in shown)
    traced.apply()


def test_forms_of_an_sds_file(traced: TracedMesh, programs: Programs) -> None:
    directory = programs.make_directory("credential")
    file, named = directory / "credential.json", directory / "value"
    named.write_text("named")
    with running(traced, "1.40.0"), http_collector() as received:
        traced.apply(collector=authorized(received, file))
        for value, text in secret_files(named).items():
            replace(file, text)
            wait_for_value(traced, received, value)
        sidecar = traced.mesh.sidecars["client"]
        for unusable in unread_files():
            former = read_errors(sidecar)
            replace(file, unusable)
            time.sleep(SECONDS_BETWEEN_READS)
            assert exported(traced, received) == {"named"}, f"the former credential beside {unusable}"
            assert read_errors(sidecar) > former
    traced.apply()


@VERSIONS
def test_update_of_a_volume_of_kubernetes_is_noticed(traced: TracedMesh, programs: Programs, version: str) -> None:
    volume = programs.make_directory("volume")
    swap(volume, "first")
    with running(traced, version), http_collector() as received:
        traced.apply(collector=authorized(received, volume / "token"))
        assert exported(traced, received) == {"first"}
        swap(volume, "second")
        wait_for_value(traced, received, "second")
    traced.apply()


@VERSIONS
@EACH_TRACER
def test_credential_is_sent_over_tls(
    traced: TracedMesh, programs: Programs, certificates: Path, tracer: str, version: str
) -> None:
    file = programs.make_directory("credential") / "token"
    file.write_text("over-tls")
    with running(traced, version), collector_of(tracer, *server_pair(certificates)) as received:
        collector = {**tls_collector(certificates, received), "auth": {"file": str(file)}}
        traced.apply(collector=collector, tracer=TRACERS[tracer])
        assert exported(traced, received, "authorization") == {"over-tls"}
    traced.apply()


@VERSIONS
@EACH_TRACER
def test_ct423_file_is_missing(traced: TracedMesh, programs: Programs, tracer: str, version: str) -> None:
    file = programs.make_directory("credential") / "token"
    with running(traced, version), collector_of(tracer, credential={"x-api-key": "right"}) as received:
        traced.apply(collector=authorized(received, file), tracer=TRACERS[tracer])
        is_otlp = tracer != "zipkin"
        result = diagnosis(traced, *([W3C] if is_otlp else []), exported=is_otlp)
        assert_causes(result, "CT423", *TRACED)
        assert f"cannot read {file}" in result.evidence
    traced.apply()


@VERSIONS
def test_ct423_is_a_note_if_the_collector_accepts_the_spans(
    traced: TracedMesh, programs: Programs, version: str
) -> None:
    file = programs.make_directory("credential") / "token"
    with running(traced, version):
        traced.apply(collector={"host": LOOPBACK, "port": traced.mesh.zipkin.port, "auth": {"file": str(file)}})
        result = verify(traced)
        assert (result.exit_code, result.codes) == (0, set())
        notes = [note for note in result.report["notes"] if "CT423" in note]
        assert len(notes) == len(TRACED)
        assert all(f" cannot read {file}. " in note for note in notes)
        file.write_text("right")
        traced.wait_until(
            lambda: not [note for note in verify(traced).report["notes"] if "CT423" in note],
            "a credential that is read",
        )
    traced.apply()


@EACH_TRACER
def test_credential_that_the_collector_rejects(traced: TracedMesh, programs: Programs, tracer: str) -> None:
    file = programs.make_directory("credential") / "token"
    file.write_text("wrong")
    with collector_of(tracer, credential={"x-api-key": "right"}) as received:
        traced.apply(collector=authorized(received, file), tracer=TRACERS[tracer])
        is_otlp = tracer != "zipkin"
        result = diagnosis(traced, *([W3C] if is_otlp else []), exported=is_otlp)
        # Envoy counts no rejection over gRPC.
        assert_causes(result, "CT417" if tracer == "otlp-grpc" else "CT404", *TRACED)
        fix = f"the collector rejects the header x-api-key: correct its value in {file}"
        assert (result.report["causes"][0]["fix"] == fix) == (tracer != "otlp-grpc")
    traced.apply()


@VERSIONS
def test_headers_of_the_zipkin_tracer_keep_the_path_and_the_host(traced: TracedMesh, version: str) -> None:
    zipkin = {"path": "/custom/api/v2/spans", "hostname": "spans.example.com", "headers": {"X-Scope-OrgID": "shop"}}
    with running(traced, version), http_collector() as received:
        for headers in ({}, zipkin["headers"]):
            received.requests.clear()
            collector = {"host": LOOPBACK, "port": received.port}
            traced.apply(collector=collector, tracer={"zipkin": {**zipkin, "headers": headers}})
            assert exported(traced, received, "x-scope-orgid") == {"shop" if headers else None}
            seen = {(path, host) for path, host, _ in received.requests}
            assert seen == {("/custom/api/v2/spans", "spans.example.com")}
    traced.apply()


@VERSIONS
@pytest.mark.parametrize("seconds", [0, 10])
def test_spans_of_an_outage_arrive_with_retries(traced: TracedMesh, version: str, seconds: int) -> None:
    """The outage is shorter than the longest pauses before the retries of 10 seconds."""
    port, web = free_port(), "cluster.tracing_collector."
    with running(traced, version):
        exporter = {"opentelemetry": {"retry_seconds": seconds}}
        traced.apply(collector={"host": LOOPBACK, "port": port}, tracer=exporter)
        for _ in range(3):
            assert traced.request(sampled_parent(secrets.token_hex(16))).status == 200
        counter = f"{web}upstream_rq_retry$" if seconds else f"{web}upstream_rq_pending_failure_eject"
        for sidecar in traced.proxies:
            traced.wait_until(lambda one=sidecar: sum(one.stats(counter).values()) >= 3, "three failed exports")
        with otlp_grpc_collector(port=port) as received:
            assert exported(traced, received, "user-agent") > set()
            if seconds:
                traced.wait_until(lambda: received.spans == 16, "four spans of each request")
            assert received.spans == (16 if seconds else 4)
    traced.apply()


@VERSIONS
def test_cache_bounds_the_spans_that_wait_for_an_export(traced: TracedMesh, version: str) -> None:
    """Without an export after five spans, a span that finds the cache full is dropped."""
    runtime = {"tracing.opentelemetry.min_flush_spans": 1000}
    layers = {"layered_runtime": {"layers": [{"name": "test", "static_layer": runtime}]}}
    mesh = traced.mesh
    with otlp_grpc_collector() as received:
        collector = {"host": LOOPBACK, "port": received.port}
        traced.apply(collector=collector, tracer={"opentelemetry": {"max_cache_size": 5}})
        mesh.stop_sidecars("client")
        options = ["--config-yaml", json.dumps(layers)]
        client = mesh.start_envoy("client", ["-sidecar-for=client"], envoy_arguments=options, version=version)
        try:
            client.wait_until_ready(mesh.instances["client"].listeners)
            for _ in range(30):
                assert traced.request(sampled_parent(secrets.token_hex(16))).status == 200
            dropped = client.stats("tracing.opentelemetry.spans_dropped")
            assert sum(dropped.values()) == 5, "one of six spans"
        finally:
            client.stop()
            mesh.start_sidecars("client")
    traced.apply()
