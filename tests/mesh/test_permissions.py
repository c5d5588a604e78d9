"""The rules of docs/reference/permissions.md on a Consul with ACLs: each list is sufficient and minimal."""

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from consul_tracing.errors import CommandError
from generate.reference.permissions import CONSUL, Rule
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.envoy import Envoy
from testbed.mesh import Instance, Service
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.command_line import consul_tracing
from tests.mesh.consul_entries import clear
from tests.mesh.test_tokens import guarded_consul, new_token, with_token
from tests.unit.cli.verify.dumps import dump
from tests.unit.cli.verify.test_command import Stub
from tests.unit.http_server import serving

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

MESH = {"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http"}}
WEB = {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}
REMOTE = f"remote-{secrets.token_hex(4)}"
UNIQUE = f"web-{secrets.token_hex(4)}"
"""The service of the proxy. A run beside this one may have a proxy of a service `web`."""


@pytest.fixture(scope="module")
def guarded(programs: Programs) -> Iterator[Consul]:
    with guarded_consul(programs) as consul:
        yield consul


@pytest.fixture(scope="module")
def sidecar(programs: Programs, guarded: Consul) -> Iterator[Envoy]:
    registration = Instance.allocate(Service(UNIQUE)).registration
    registration["Connect"]["SidecarService"]["Proxy"]["Config"] = {"envoy_tracing_json": "{}"}
    guarded.register(registration)
    envoy = Envoy(programs, guarded, UNIQUE, [f"-sidecar-for={UNIQUE}"])
    programs.wait_until(lambda: envoy.is_ready, "a ready proxy", program=envoy.program)
    yield envoy
    envoy.stop()


def insufficient(rules: tuple[Rule, ...]) -> list[list[str]]:
    """Return the lists without one of the rules, and those with less access in one of them."""
    texts = [one.text for one in rules]
    without = [texts[:number] + texts[number + 1 :] for number in range(len(texts))]
    weaker = [
        [*texts[:number], one.replace('"write"', '"read"'), *texts[number + 1 :]]
        for number, one in enumerate(texts)
        if '"write"' in one
    ]
    return without + weaker


def assert_minimal(subject: str, is_sufficient: Callable[[list[str]], bool]) -> None:
    """Check that all rules of a subject are sufficient, and that all lists with less access are not."""
    rules = CONSUL[subject if "`" in subject else f"`{subject}`"]
    assert [one for one in insufficient(rules) if is_sufficient(one)] == []
    assert is_sufficient([one.text for one in rules])


@pytest.mark.parametrize("component", ["MeshTracing", "ServiceProtocols"])
def test_rules_of_an_update(programs: Programs, guarded: Consul, component: str) -> None:
    program = {"MeshTracing": CHECKOUT, "ServiceProtocols": services_program(programs)}[component]

    def is_written(rules: list[str]) -> bool:
        clear(guarded)
        config = with_token(guarded, new_token(guarded, " ".join(rules)))
        try:
            Project(programs, program, config, stack="rules").up()
        except ProgramFailedError:
            return False
        return True

    assert_minimal(component, is_written)


def services_program(programs: Programs) -> Any:
    directory = programs.make_directory("services")
    (directory / "Pulumi.yaml").write_text((CHECKOUT / "Pulumi.yaml").read_text())
    (directory / "__main__.py").write_text(
        "from consul_tracing import ServiceProtocols\n"
        'ServiceProtocols("shop", {"services": {"web": {"protocol": "http"}}})\n'
    )
    return directory


def test_rules_of_a_preview(programs: Programs, guarded: Consul) -> None:
    clear(guarded)
    guarded.write_config_entry(WEB)
    stack = Project(programs, CHECKOUT, with_token(guarded, new_token(guarded, "")), stack="preview")

    def is_complete(rules: list[str]) -> bool:
        stack.configure(with_token(guarded, new_token(guarded, " ".join(rules)), existing="adopt"))
        return "CT508" not in stack.preview_without_diff()

    assert_minimal("pulumi preview", is_complete)


@pytest.mark.parametrize("command", ["lint --consul", "stale --admin", "stale --agent", "doctor --agent"])
def test_rules_of_a_command(guarded: Consul, sidecar: Envoy, command: str) -> None:
    clear(guarded)
    # CT328 lists the service, which has no entry.
    guarded.write_config_entry(MESH)
    arguments = [*command.split(), *([f"127.0.0.1:{sidecar.admin_port}"] if command.endswith("--admin") else [])]

    def report(token: str) -> Any:
        environment = {"CONSUL_HTTP_ADDR": guarded.url, "CONSUL_HTTP_TOKEN": token}
        try:
            run = consul_tracing(*arguments, "--format=json", environment=environment)
        except Exception as error:  # noqa: BLE001 - the report of a command that could not run
            return str(error)
        return facts_of(json.loads(run.stdout))

    def is_equal(rules: list[str]) -> bool:
        return report(new_token(guarded, " ".join(rules).replace('"web', f'"{UNIQUE}'))["SecretID"]) == expected

    expected = report(guarded.token)
    assert not isinstance(expected, str)
    assert_minimal(command, is_equal)


def test_rules_of_stale_for_the_proxy_of_another_agent(guarded: Consul) -> None:
    clear(guarded)
    proxy = {"DestinationServiceName": REMOTE, "DestinationServiceID": REMOTE}
    service = {"ID": f"{REMOTE}-sidecar-proxy", "Service": f"{REMOTE}-sidecar-proxy", "Kind": "connect-proxy"}
    registration = {"Node": "other", "Address": "127.0.0.2", "Service": {**service, "Port": 1, "Proxy": proxy}}
    guarded.put("/v1/catalog/register", registration)
    node = {"id": f"{REMOTE}-sidecar-proxy", "cluster": REMOTE, "metadata": {"node_name": "other"}}
    content = {"configs": dump(node=node)}

    def is_known(rules: list[str]) -> bool:
        token = new_token(guarded, " ".join(rules).replace('"web', f'"{REMOTE}'))["SecretID"]
        environment = {"CONSUL_HTTP_ADDR": guarded.url, "CONSUL_HTTP_TOKEN": token}
        try:
            run = consul_tracing("stale", f"--admin={admin}", "--format=json", environment=environment)
        except CommandError:
            return False
        return bool(json.loads(run.stdout)["proxies"])

    with serving(lambda path, _: (200, content if path.startswith("/config_dump") else {})) as admin:
        assert_minimal("`stale`, proxy of another agent", is_known)


def test_rules_of_verify(guarded: Consul, sidecar: Envoy) -> None:
    clear(guarded)
    guarded.write_config_entry(MESH)
    guarded.write_config_entry({**WEB, "Name": UNIQUE})
    stub = Stub()
    stub.traced = False

    def report(token: str) -> Any:
        environment = {"CONSUL_HTTP_ADDR": guarded.url, "CONSUL_HTTP_TOKEN": token}
        # A misspelt service is found in the catalog.
        services, proxy = f"{UNIQUE},{UNIQUE[:-1]}", f"127.0.0.1:{sidecar.admin_port}"
        options = [f"--expect={services}", f"--admin={proxy}", "--timeout=0.2", "--format=json"]
        url, store = f"http://{address}/hello", f"--zipkin=http://{address}/zipkin"
        document = json.loads(consul_tracing("verify", url, store, *options, environment=environment).stdout)
        return document["causes"], document["notes"]

    def is_equal(rules: list[str]) -> bool:
        return report(new_token(guarded, " ".join(rules).replace('"web', f'"{UNIQUE}'))["SecretID"]) == expected

    with serving(stub.answer, keep_alive=True) as address:
        expected = report(guarded.token)
        assert_minimal("verify --admin", is_equal)


def facts_of(document: Any) -> Any:
    """Return the facts about this Consul and its proxy: in a busy machine, others are found too."""
    proxies = [one for one in document.get("proxies", []) if one["proxy"] == f"{UNIQUE}-sidecar-proxy"]
    sections = document.get("sections", {})
    reports = {name: one["report"] for name, one in sections.items() if name == "entries_in_consul"}
    versions = {name: one["report"]["Consul"] for name, one in sections.items() if name == "versions"}
    nested = {name: facts_of(one["report"] or {}) for name, one in sections.items() if name == "proxies"}
    return [document.get("checked"), document.get("findings"), proxies, reports, versions, nested]
