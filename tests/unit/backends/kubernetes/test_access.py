"""Cluster and credentials for reads, resolved as Pulumi's Kubernetes provider resolves its configuration."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from consul_tracing.backends.kubernetes.access import (
    PAGE,
    Cluster,
    MissingKindError,
    MissingPrerequisiteError,
    client_for,
    cluster_of,
)
from consul_tracing.errors import UnreadableError
from consul_tracing.run_errors import ConflictError
from tests.unit.http_server import Headers, serving

TOKEN = "hush-hush"  # noqa: S105 - must not appear in a message


def kubeconfig(**servers: str) -> dict[str, Any]:
    """Return a kubeconfig with one context and one cluster per server. The first context is the current one."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}} for name, server in servers.items()],
        "users": [{"name": "me", "user": {"token": TOKEN}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in servers],
        "current-context": next(iter(servers)),
    }


BOTH = kubeconfig(staging="http://staging:1", prod="http://prod:2")


def access(**given: str | None) -> dict[str, str | None]:
    return {"kubeconfig": None, "context": None, "cluster": None, **given}


@pytest.fixture
def kubeconfig_file(tmp_path: Path) -> Path:
    written = tmp_path / "config"
    written.write_text(yaml.safe_dump(BOTH))
    return written


@pytest.mark.parametrize("as_text", [yaml.safe_dump, json.dumps])
def test_kubeconfig_can_be_text(as_text: Callable[[Any], str]) -> None:
    assert client_for(access(kubeconfig=as_text(BOTH))).configuration.host == "http://staging:1"


def test_kubeconfig_can_be_a_path(kubeconfig_file: Path) -> None:
    assert client_for(access(kubeconfig=str(kubeconfig_file))).configuration.host == "http://staging:1"


def test_kubeconfig_defaults_to_the_environment(kubeconfig_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig_file))
    # In a pod, which has no ~/.kube/config.
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("HOME", "/nowhere")
    assert client_for(access()).configuration.host == "http://staging:1"
    assert client_for(access(context="prod")).configuration.host == "http://prod:2"


def test_context_and_cluster_are_selected(kubeconfig_file: Path) -> None:
    chosen = access(kubeconfig=str(kubeconfig_file), context="prod")
    assert client_for(chosen).configuration.host == "http://prod:2"
    assert client_for({**chosen, "cluster": "staging"}).configuration.host == "http://staging:1"


@pytest.mark.parametrize(
    "given",
    [
        f"users: [{{token: {TOKEN}}}]\nclusters: [",
        f"\nusers: [{{token: {TOKEN}}}]]",
        f"users:\n- token: {TOKEN}\n",
        f"just {TOKEN}\nlines",
        json.dumps({**BOTH, "current-context": "gone"}),
        "/nowhere/at/all",
    ],
)
def test_invalid_kubeconfig_is_reported_without_its_content(given: str) -> None:
    with pytest.raises(UnreadableError, match="the kubeconfig cannot be used") as error:
        client_for(access(kubeconfig=given))
    assert TOKEN not in str(error.value)


def test_provider_that_renders_yaml_is_rejected() -> None:
    class Provided(pulumi.ComponentResource):
        def __init__(self) -> None:
            """Do not register the resource."""

        def get_provider(self, module_member: str) -> None:
            assert module_member.startswith("kubernetes:")

    pulumi.runtime.set_all_config({"kubernetes:renderYamlToDirectory": "rendered"})
    try:
        with pytest.raises(ConflictError, match="renders YAML into a directory, which is not supported"):
            cluster_of(Provided())
    finally:
        pulumi.runtime.set_all_config({})


class Api:
    """A fake API server that returns a list of responses in order and repeats the last one."""

    def __init__(self, *responses: tuple[int, Any]) -> None:
        self.requests: list[str] = []
        self.remaining = list(responses)
        self.address = ""

    def answer(self, path: str, _: Headers) -> tuple[int, Any]:
        self.requests.append(path)
        return self.remaining.pop(0) if len(self.remaining) > 1 else self.remaining[0]

    def cluster(self) -> Cluster:
        return Cluster(client_for(access(kubeconfig=json.dumps(kubeconfig(here=f"http://{self.address}")))))


@pytest.fixture
def api() -> Iterator[Callable[..., Api]]:
    with ExitStack() as started:

        def start(*responses: tuple[int, Any]) -> Api:
            served = Api(*responses)
            served.address = started.enter_context(serving(served.answer))
            return served

        yield start


def objects(*names: str, next_page: str = "") -> tuple[int, Any]:
    return 200, {"items": [{"metadata": {"name": name}} for name in names], "metadata": {"continue": next_page}}


def test_objects_are_read_page_by_page(api: Callable[..., Api]) -> None:
    served = api(objects("a", "b", next_page="next"), objects("c"))
    found = served.cluster().objects("service-defaults", "shop")
    assert [one["metadata"]["name"] for one in found or []] == ["a", "b", "c"]
    path = "/apis/consul.hashicorp.com/v1alpha1/namespaces/shop/servicedefaults"
    assert served.requests == [f"{path}?limit={PAGE}", f"{path}?continue=next&limit={PAGE}"]


def test_missing_kind_is_reported(api: Callable[..., Api]) -> None:
    with pytest.raises(MissingKindError, match="the cluster does not have the kind ProxyDefaults"):
        api((404, {"message": "the server could not find the requested resource"})).cluster().objects("proxy-defaults")


def test_forbidden_list_of_all_namespaces_returns_none(api: Callable[..., Api]) -> None:
    assert api((403, {"message": "forbidden"})).cluster().objects("proxy-defaults") is None


def test_schema_is_that_of_the_version_and_unknown_without_permission(api: Callable[..., Api]) -> None:
    spec = {"properties": {"accessLogs": {"type": "object"}}}
    versions = [
        {"name": name, "schema": {"openAPIV3Schema": {"properties": {"spec": of}}}}
        for name, of in (("v1", {}), ("v1alpha1", spec))
    ]
    served = api((200, {"spec": {"versions": versions}}), (403, {"message": "forbidden"}))
    cluster = served.cluster()
    assert cluster.spec_schema("proxy-defaults") == spec
    assert cluster.spec_schema("service-defaults") == {}
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert served.requests == [
        f"{definitions}/proxydefaults.consul.hashicorp.com",
        f"{definitions}/servicedefaults.consul.hashicorp.com",
    ]


def test_missing_namespace_is_rejected_and_unreadable_namespace_is_accepted(api: Callable[..., Api]) -> None:
    served = api((403, {"message": "forbidden"}), (404, {"message": "not found"}))
    with pytest.raises(MissingPrerequisiteError, match="the cluster has no namespace shop"):
        served.cluster().reject_missing_namespaces({"shop", "consul"})
    assert served.requests == ["/api/v1/namespaces/consul", "/api/v1/namespaces/shop"]


def test_other_errors_are_reported_with_the_message_of_the_server(api: Callable[..., Api]) -> None:
    error = (403, {"message": 'servicedefaults is forbidden: User "me" cannot list'})
    with pytest.raises(UnreadableError, match='403: servicedefaults is forbidden: User "me" cannot list'):
        api(error).cluster().objects("service-defaults", "shop")


def test_unreachable_server_is_unreadable() -> None:
    unreachable = kubeconfig(here="http://127.0.0.1:1")
    with pytest.raises(UnreadableError, match="Connection refused"):
        Cluster(client_for(access(kubeconfig=json.dumps(unreachable)))).objects("proxy-defaults")
