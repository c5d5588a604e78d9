"""Proxies in pods, with fakes of the pods and the API server."""

import socket
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import pytest
from kubernetes import stream
from kubernetes.client import ApiClient, ApiException, CoreV1Api

from consul_tracing.cli.stale.pods import HASH_ANNOTATION, proxy_of
from consul_tracing.cli.stale.report import report_of
from consul_tracing.entries.bodies import bootstrap_hash, proxy_defaults
from consul_tracing.entries.custom_resources import body
from consul_tracing.entries.propagation import ZIPKIN, Propagation
from consul_tracing.errors import CommandError
from consul_tracing.names import PROXY_CONFIG_MAP, JsonObject
from consul_tracing.sources import pods
from consul_tracing.sources.consul import consul_client
from consul_tracing.sources.envoy import admin_client
from consul_tracing.sources.http import HttpClient, ServerError
from consul_tracing.sources.pods import Pod, Pods, pod_admin
from consul_tracing.sources.proxies import Target, Targets
from tests.unit.cli.verify.dumps import dump
from tests.unit.http_server import serving
from tests.unit.meshes import settings

INJECTED = {"consul.hashicorp.com/connect-inject-status": "injected"}


def fake_pod(annotations: dict[str, str], phase: str = "Running", restarts: int = 0) -> Pod:
    started = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
    containers = [
        {"name": "web", "restartCount": 9, "state": {"running": {"startedAt": "2025-01-01T00:00:00Z"}}},
        {"name": "consul-dataplane", "restartCount": restarts, "state": started},
    ]
    metadata = {"name": "web-1", "namespace": "shop", "annotations": annotations}
    return Pod({"metadata": metadata, "status": {"phase": phase, "containerStatuses": containers}})


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (fake_pod(INJECTED), True),
        (fake_pod({"consul.hashicorp.com/gateway-kind": "mesh-gateway"}), True),
        (fake_pod({}), False),
        (fake_pod({"consul.hashicorp.com/connect-inject": "true"}), False),
        (fake_pod(INJECTED, phase="Succeeded"), False),
        (Pod({**fake_pod(INJECTED).content, "metadata": {"annotations": INJECTED, "deletionTimestamp": "now"}}), False),
    ],
)
def test_running_pods_with_a_proxy_are_selected(pod: Pod, expected: bool) -> None:  # noqa: FBT001
    assert pod.has_proxy == expected


ENTRY = proxy_defaults(settings()).body
NEW = bootstrap_hash(ENTRY)


@pytest.mark.parametrize(("annotated", "differences"), [(NEW, []), ("old", [f"bootstrap hash: old, now {NEW}"])])
def test_annotated_hash_is_compared_with_the_current_one(annotated: str, differences: list[str]) -> None:
    annotations = {**INJECTED, HASH_ANNOTATION: annotated, "consul.hashicorp.com/connect-service": "web"}
    proxy = proxy_of(fake_pod(annotations), ENTRY)
    assert proxy is not None
    assert (proxy.proxy, proxy.service, proxy.since) == ("shop/web-1", "web", "2026-01-02T03:04:05Z")
    assert proxy.differences == differences
    assert proxy.propagation == (None if differences else ZIPKIN)


def test_admin_interface_is_read_without_annotation_or_after_a_restart_of_the_container() -> None:
    assert proxy_of(fake_pod(INJECTED), ENTRY) is None
    assert proxy_of(fake_pod({**INJECTED, HASH_ANNOTATION: "old"}, restarts=1), ENTRY) is None
    assert proxy_of(fake_pod({**INJECTED, HASH_ANNOTATION: NEW}, restarts=1), ENTRY) is not None


@pytest.mark.parametrize(
    ("config", "is_judged", "tracer"),
    [
        (None, True, ZIPKIN),
        ("", True, ZIPKIN),
        ('{"envoy_tracing_json": ""}', True, ZIPKIN),
        ('{"envoy_tracing_json": null, "protocol": "http"}', True, ZIPKIN),
        ('{"envoy_tracing_json": }', True, ZIPKIN),
        ("[1]", True, ZIPKIN),
        ('{"Envoy_Tracing_JSON": "{}"}', False, None),
        ('{"envoy_prometheus_bind_addr": "0.0.0.0:20200"}', False, ZIPKIN),
    ],
)
def test_hash_of_proxy_defaults_does_not_judge_a_pod_with_bootstrap_keys_of_its_own(
    config: str | None,
    is_judged: bool,  # noqa: FBT001
    tracer: Propagation | None,
) -> None:
    annotations = {**INJECTED, **({} if config is None else {PROXY_CONFIG_MAP: config})}
    other = proxy_of(fake_pod({**annotations, HASH_ANNOTATION: "old"}), ENTRY)
    assert (other is not None) == is_judged
    same = proxy_of(fake_pod({**annotations, HASH_ANNOTATION: NEW}), ENTRY)
    assert same is not None
    assert (same.differences, same.propagation) == ([], tracer)


def test_api_gateway_does_not_read_the_annotation() -> None:
    gateway = {"consul.hashicorp.com/gateway-kind": "api-gateway", PROXY_CONFIG_MAP: '{"envoy_tracing_json": "{}"}'}
    assert proxy_of(fake_pod({**gateway, HASH_ANNOTATION: "old"}), ENTRY) is not None


class FakePods:
    """A cluster whose ProxyDefaults is ENTRY."""

    def proxy_defaults(self) -> JsonObject:
        return {"kind": "ProxyDefaults", "metadata": {"name": "global"}, "spec": {"config": ENTRY["Config"]}}


@pytest.mark.parametrize("reason", ["admin", "consul"])
def test_annotation_counts_if_the_proxy_or_consul_cannot_be_read(reason: str) -> None:
    """A restart leaves the annotation as it is, so the proxy is read first."""
    node = {"id": "web-proxy", "cluster": "web"}
    with serving(lambda *_: (200, {"configs": dump(node=node)})) as running:
        address = running if reason == "consul" else "127.0.0.1:1"
        pod = fake_pod({**INJECTED, HASH_ANNOTATION: "old"})
        target = Target(replace(admin_client(address), address=pod.name), pod.restart, pod)
        cluster: Any = FakePods()
        consul = consul_client({"CONSUL_HTTP_ADDR": "127.0.0.1:1"})
        (proxy,) = report_of(Targets([target], cluster=cluster), consul).proxies
    assert proxy.differences == [f"bootstrap hash: old, now {bootstrap_hash(body(FakePods().proxy_defaults()))}"]


class FakeApi:
    """The part of the API client that a port-forward requires."""

    def connect_get_namespaced_pod_portforward(self) -> None: ...


class FakeForward:
    """A port-forward to a program that sends one response."""

    def __init__(self, response: bytes) -> None:
        self.local, remote = socket.socketpair()
        self.request = b""

        def serve() -> None:
            with remote:
                self.request = remote.recv(4096)
                remote.sendall(response)

        self.server = Thread(target=serve)
        self.server.start()

    def socket(self, _port: int) -> socket.socket:
        return self.local

    def error(self, _port: int) -> str:
        return "connection refused"

    def close(self) -> None:
        self.local.close()
        self.server.join()


def admin() -> HttpClient:
    return pod_admin(FakeApi, fake_pod(INJECTED))


def test_admin_interface_is_read_through_a_port_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n0\r\n\r\n'
    forward = FakeForward(body)
    arguments: list[object] = []

    def fake_portforward(_connect: object, *given: str, ports: str) -> FakeForward:
        arguments.extend([*given, ports])
        return forward

    monkeypatch.setattr(stream, "portforward", fake_portforward)
    assert admin().get("/stats", dict[str, int], format="json") == {"a": 1}
    assert forward.request.startswith(b"GET /stats?format=json HTTP/1.1\r\n")
    assert arguments == ["web-1", "shop", "19000"]


def test_failed_connection_in_the_pod_has_the_reason_of_the_kubelet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "portforward", lambda *_arguments, **_options: FakeForward(b""))
    with pytest.raises(ServerError, match="shop/web-1 cannot be read: the port-forward .* failed: connection refused$"):
        admin().get("/config_dump", JsonObject)


@pytest.mark.parametrize("error", [ApiException(status=0, reason="Handshake status 403\nForbidden"), OSError("reset")])
def test_failed_port_forward_is_one_reason(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(stream, "portforward", fail)
    with pytest.raises(ServerError, match="the port-forward to port 19000 failed: (Hand.*Forbidden|reset)$"):
        admin().get("/config_dump", JsonObject)


@pytest.mark.parametrize(
    ("kind", "name", "label", "restart"),
    [
        ("ReplicaSet", "web-5d4", "pod-template-hash", "kubectl --namespace shop rollout restart deployment/web"),
        ("StatefulSet", "db", "", "kubectl --namespace shop rollout restart statefulset/db"),
        ("DaemonSet", "agent", "", "kubectl --namespace shop rollout restart daemonset/agent"),
        (
            "ReplicaSet",
            "web-5d4",
            "rollouts-pod-template-hash",
            "kubectl argo rollouts --namespace shop restart web",
        ),
        ("ReplicaSet", "web", "", "replace the pod shop/web-1 of ReplicaSet web"),
        ("", "", "", "replace the pod shop/web-1"),
    ],
)
def test_pod_is_restarted_through_its_owner(kind: str, name: str, label: str, restart: str) -> None:
    owners = [{"kind": "Other", "name": "x"}, *([{"kind": kind, "name": name, "controller": True}] if kind else [])]
    labels = {label: "5d4"} if label else {}
    metadata = {"name": "web-1", "namespace": "shop", "labels": labels, "ownerReferences": owners}
    assert Pod({"metadata": metadata}).restart == restart


def test_port_forward_that_stalls_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = Event()
    monkeypatch.setattr(stream, "portforward", lambda *_arguments, **_options: stalled.wait(60))
    with pytest.raises(ServerError, match="shop/web-1 cannot be read: timeout after 0.05 s$"):
        replace(admin(), seconds=0.05).get("/config_dump", JsonObject)
    stalled.set()


def test_list_of_pods_that_stalls_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = Event()
    monkeypatch.setattr(pods, "client_for", lambda _: ApiClient())
    monkeypatch.setattr(pods, "SECONDS_TO_ANSWER", 0.05)
    monkeypatch.setattr(CoreV1Api, "list_pod_for_all_namespaces", lambda *_, **__: stalled.wait(60))
    with pytest.raises(CommandError, match="the pods cannot be listed: timeout after 0.05 s$"):
        Pods().with_proxies(None)
    stalled.set()
