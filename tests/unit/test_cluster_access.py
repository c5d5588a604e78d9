"""Which cluster is read, and as whom: what the program's Kubernetes provider was given, by the provider's rules."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from consul_tracing.cluster import PAGE, Cluster, NotInstalled, NotThere, client_for, cluster_of
from consul_tracing.errors import Refused, Unreadable

TOKEN = "hush-hush"  # noqa: S105 - what must never be repeated


def kubeconfig(**servers: str) -> dict[str, Any]:
    """One context and one cluster for each server; the first is the current one."""
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
def file(tmp_path: Path) -> Path:
    written = tmp_path / "config"
    written.write_text(yaml.safe_dump(BOTH))
    return written


@pytest.mark.parametrize("as_text", [yaml.safe_dump, json.dumps])
def test_a_kubeconfig_may_be_text(as_text: Callable[[Any], str]) -> None:
    assert client_for(access(kubeconfig=as_text(BOTH))).configuration.host == "http://staging:1"


def test_a_kubeconfig_may_be_a_path(file: Path) -> None:
    assert client_for(access(kubeconfig=str(file))).configuration.host == "http://staging:1"


def test_without_one_the_environment_leads(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(file))
    assert client_for(access()).configuration.host == "http://staging:1"
    assert client_for(access(context="prod")).configuration.host == "http://prod:2"


def test_a_context_and_a_cluster_are_chosen(file: Path) -> None:
    chosen = access(kubeconfig=str(file), context="prod")
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
def test_one_that_cannot_be_used_is_told_without_its_content(given: str) -> None:
    with pytest.raises(Unreadable, match="the kubeconfig cannot be used") as refused:
        client_for(access(kubeconfig=given))
    assert TOKEN not in str(refused.value)


def test_a_provider_that_renders_into_a_directory_is_refused() -> None:
    class Provided(pulumi.ComponentResource):
        def __init__(self) -> None:
            """Not registered."""

        def get_provider(self, module_member: str) -> None:
            assert module_member.startswith("kubernetes:")

    pulumi.runtime.set_all_config({"kubernetes:renderYamlToDirectory": "rendered"})
    try:
        with pytest.raises(Refused, match="renders YAML into a directory, so nothing reaches the cluster"):
            cluster_of(Provided())
    finally:
        pulumi.runtime.set_all_config({})


class Api:
    """Stands in for an API server: answers each question from a list, the last one again and again."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.asked: list[str] = []
        api, left = self, list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.asked.append(self.path)
                status, answer = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def cluster(self) -> Cluster:
        served = kubeconfig(here=f"http://127.0.0.1:{self.server.server_address[1]}")
        return Cluster(client_for(access(kubeconfig=json.dumps(served))))


@pytest.fixture
def api() -> Iterator[Callable[..., Api]]:
    started: list[Api] = []

    def start(*answers: tuple[int, Any]) -> Api:
        started.append(Api(*answers))
        return started[-1]

    yield start
    for one in started:
        one.server.shutdown()
        one.thread.join()
        one.server.server_close()


def objects(*names: str, going_on: str = "") -> tuple[int, Any]:
    return 200, {"items": [{"metadata": {"name": name}} for name in names], "metadata": {"continue": going_on}}


def test_objects_are_read_page_by_page(api: Callable[..., Api]) -> None:
    served = api(objects("a", "b", going_on="next"), objects("c"))
    found = served.cluster().objects("service-defaults", "shop")
    assert [one["metadata"]["name"] for one in found or []] == ["a", "b", "c"]
    path = "/apis/consul.hashicorp.com/v1alpha1/namespaces/shop/servicedefaults"
    assert served.asked == [f"{path}?limit={PAGE}", f"{path}?continue=next&limit={PAGE}"]


def test_a_kind_that_is_not_there_is_not_installed(api: Callable[..., Api]) -> None:
    with pytest.raises(NotInstalled, match="the cluster does not know ProxyDefaults"):
        api((404, {"message": "the server could not find the requested resource"})).cluster().objects("proxy-defaults")


def test_who_may_not_list_all_namespaces_is_told_so_by_none(api: Callable[..., Api]) -> None:
    assert api((403, {"message": "forbidden"})).cluster().objects("proxy-defaults") is None


def test_a_namespace_that_is_missing_is_refused_and_one_that_may_not_be_seen_is_not(api: Callable[..., Api]) -> None:
    served = api((403, {"message": "forbidden"}), (404, {"message": "not found"}))
    with pytest.raises(NotThere, match="the cluster has no namespace shop"):
        served.cluster().refuse_missing_namespaces({"shop", "consul"})
    assert served.asked == ["/api/v1/namespaces/consul", "/api/v1/namespaces/shop"]


def test_any_other_answer_is_told_in_the_servers_words(api: Callable[..., Api]) -> None:
    refused = (403, {"message": 'servicedefaults is forbidden: User "me" cannot list'})
    with pytest.raises(Unreadable, match='403: servicedefaults is forbidden: User "me" cannot list'):
        api(refused).cluster().objects("service-defaults", "shop")


def test_a_server_that_is_not_there_is_unreadable() -> None:
    nobody = kubeconfig(here="http://127.0.0.1:1")
    with pytest.raises(Unreadable, match="Connection refused"):
        Cluster(client_for(access(kubeconfig=json.dumps(nobody)))).objects("proxy-defaults")
