"""The command line `consul-tracing`, without a mesh."""

import io
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from consul_tracing.cli import app
from consul_tracing.cli.render.output import WRITTEN
from consul_tracing.cli.render.rendering import RenderError, as_hcl, as_pod_annotations, as_registration
from consul_tracing.codes import DOCUMENTATION, page_of
from consul_tracing.entries.entry import Entry
from consul_tracing.entries.registrations import annotations_of
from consul_tracing.envoy_messages.credential_filter import secret_file
from tests.unit.meshes import settings

MESH = {"collector": {"host": "zipkin"}, "sampling": {"random": "0.5"}, "services": {"web": {"protocol": "http"}}}


ADDRESS = re.compile(rf"^(  |(?P<code>CT\d{{3}}): ){re.escape(DOCUMENTATION)}[\w/]+#ct\d{{3}}\n", re.MULTILINE)


class Run:
    """A run of the command line: exit code, output, errors, and errors without the addresses of their codes."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["consul-tracing", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                app.main()
        self.code = ended.value.code or 0
        self.out, self.errors = capsys.readouterr()
        self.err = ADDRESS.sub("", self.errors)


def test_error_and_list_of_messages_end_with_the_addresses_of_their_codes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    error = "consul-tracing: CT601: exactly one of --stack and --args is required"
    assert Run(capsys, "render", "--as=json").errors == f"{error}\n  {page_of('CT601')}\n"
    (tmp_path / "a.json").write_text('{"Kind": "proxy-defaults", "Name": "global"}')
    assert Run(capsys, "import", tmp_path / "a.json").errors.endswith(f"\nCT603: {page_of('CT603')}\n")


HEAVY = ("google", "grpc", "httpx", "kubernetes", "pulumi", "pydantic", "rich", "yaml")


def imported(*modules: str) -> set[str]:
    """Return the packages of HEAVY that are imported with modules of the command line."""
    names = ", ".join(f"consul_tracing.cli.{module}" for module in modules)
    program = f"import sys, {names}; print(*(name for name in {HEAVY} if name in sys.modules))"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout.split()
    )


def test_help_imports_nothing_that_takes_time() -> None:
    assert imported("app") == set()


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert Run(capsys, "--version").out == f"consul-tracing {version('consul-tracing')}\n"


def test_commands_without_components_import_no_pulumi() -> None:
    found = imported("lint.linting", "stale.listing", "verify.verification", "verify.report")
    assert found.isdisjoint({"grpc", "kubernetes", "pulumi"})


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(yaml.safe_dump({"config": {"consul-tracing:mesh": MESH}}))
    return file


def test_one_entry_is_printed(capsys: pytest.CaptureFixture[str], stack: Path) -> None:
    run = Run(capsys, "render", "--stack", stack, "--as", "json", "--entry", "proxy-defaults/global")
    assert (run.code, run.err) == (0, "")
    entry = json.loads(run.out)
    assert (entry["Kind"], entry["Name"]) == ("proxy-defaults", "global")
    assert '"random_sampling":{"value":0.5}' in entry["Config"]["envoy_listener_tracing_json"]


def test_several_entries_require_a_directory(capsys: pytest.CaptureFixture[str], stack: Path, tmp_path: Path) -> None:
    run = Run(capsys, "render", "--stack", stack, "--as", "hcl")
    assert (run.code, run.out) == (2, "")
    assert run.err == (
        "consul-tracing: CT601: --as hcl prints one entry, and these settings have 2. Add --out DIRECTORY, which gets "
        "a file for each, or --entry with one of "
        "service-defaults/web, proxy-defaults/global\n"
    )
    out = tmp_path / "entries"
    assert Run(capsys, "render", "--stack", stack, "--as", "hcl", "--out", out).code == 0
    assert [file.name for file in sorted(out.glob("*.hcl"))] == [
        "001-service-defaults-web.hcl",
        "002-proxy-defaults-global.hcl",
    ]


def test_entries_of_a_former_run_are_removed_and_other_files_remain(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file, out = tmp_path / "mesh.json", tmp_path / "entries"
    out.mkdir()
    others = [out / "003-service-defaults-own.hcl", out / "README.md", tmp_path / "outside.hcl"]
    for other in others:
        other.write_text("# of the user")

    def names(form: str, *services: str) -> list[str]:
        inputs = {**MESH, "sampling": {}, "services": {name: {"protocol": "http"} for name in services}}
        file.write_text(json.dumps(inputs))
        assert Run(capsys, "render", "--args", file, "--as", form, "--out", out).code == 0
        return sorted(one.name for one in out.iterdir() if one not in others and one.suffix)

    assert names("hcl", "api", "web") == [
        "001-service-defaults-api.hcl",
        "002-service-defaults-web.hcl",
        "003-proxy-defaults-global.hcl",
    ]
    assert names("hcl", "web") == ["001-service-defaults-web.hcl", "002-proxy-defaults-global.hcl"]
    (out / WRITTEN).write_text(f"../outside.hcl\n{(out / WRITTEN).read_text()}")
    assert names("json") == ["001-proxy-defaults-global.json"]
    assert [other.read_text() for other in others] == ["# of the user"] * 3


def test_services_of_the_same_name_have_a_file_each(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    services = {name: {"protocol": "http", "name": "web", "namespace": name} for name in ("a", "b")}
    file, out = tmp_path / "mesh.json", tmp_path / "entries"
    file.write_text(json.dumps({**MESH, "sampling": {"random": 1}, "services": services}))
    assert Run(capsys, "render", "--args", file, "--as", "json", "--out", out).code == 0
    rendered = [json.loads(one.read_text()) for one in sorted(out.glob("*.json"))]
    assert [one.get("Namespace") for one in rendered] == ["a", "b", None]


def test_no_file_is_written_if_one_entry_cannot_be_rendered(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, out = tmp_path / "mesh.json", tmp_path / "entries"
    inputs = {**MESH, "sampling": {"random": 1}, "proxy_config": {"x": [[1]]}}
    file.write_text(json.dumps(inputs))
    run = Run(capsys, "render", "--args", file, "--as", "hcl", "--out", out)
    assert (run.code, out.exists()) == (2, False)
    assert "CT602" in run.err


def test_file_that_is_not_text_and_a_directory_that_is_a_file_are_one_line(
    capsys: pytest.CaptureFixture[str], stack: Path
) -> None:
    run = Run(capsys, "render", "--stack", stack, "--as", "json", "--out", stack)
    assert (run.code, run.err) == (2, f"consul-tracing: CT601: {stack} cannot be written: File exists\n")
    stack.write_bytes(b"\xff")
    assert Run(capsys, "render", "--stack", stack, "--as", "yaml").code == 2


def test_text_that_looks_like_a_number_is_quoted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Go reads YAML 1.2, in which these are numbers."""
    labels = {"a": "1234567e8", "b": "0o17", "c": "12", "d": "1.5", "e": "v1"}
    file = tmp_path / "mesh.json"
    file.write_text(json.dumps({**MESH, "sampling": {"random": 1}, "metadata": {"labels": labels}}))
    out = Run(capsys, "render", "--args", file, "--as", "yaml").out
    for line in ("a: '1234567e8'", "b: '0o17'", "c: '12'", "d: '1.5'", "e: v1"):
        assert f"      {line}\n" in out or f"    {line}\n" in out


def test_gateway_arguments_are_one_per_line(capsys: pytest.CaptureFixture[str], stack: Path) -> None:
    option, layer = Run(capsys, "render", "--stack", stack, "--as", "gateway").out.splitlines()
    assert option == "--config-yaml"
    (only,) = json.loads(layer)["layered_runtime"]["layers"]
    assert only["static_layer"]["tracing.random_sampling"]["numerator"] == 50


ENTRY = """
Kind = "proxy-defaults"
Name = "global"
Config {
  envoy_prometheus_bind_addr = "0.0.0.0:9102"
}
"""


def test_entries_are_printed_as_a_stack_file(
    capsys: pytest.CaptureFixture[str], stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "entries"
    Run(capsys, "render", "--stack", stack, "--as", "json", "--out", out)
    entries = "".join(file.read_text() for file in sorted(out.glob("*.json")))
    monkeypatch.setattr(sys, "stdin", io.StringIO(entries))
    run = Run(capsys, "import", "-")
    assert (run.code, run.err) == (0, "")
    assert yaml.safe_load(run.out) == {
        "config": {
            "consul-tracing:mesh": {
                "collector": {"host": "zipkin"},
                "sampling": {"random": 0.5},
                "services": {"web": {"protocol": "http"}},
                "existing": "adopt",
            }
        }
    }


def test_part_of_an_entry_that_is_not_expressed_is_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mesh.hcl"
    file.write_text(ENTRY)
    run = Run(capsys, "import", file)
    assert run.code == 1
    assert run.err == (
        f"consul-tracing: CT603: {file}:1: proxy-defaults/global: collector.host is left out, "
        "because the entry has no tracer. Complete the inputs and set it: a stack without it is rejected\n"
    )
    inputs = yaml.safe_load(run.out)["config"]["consul-tracing:mesh"]
    assert inputs["proxy_config"] == {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--as", "yaml", "--out", "a"], "--out requires --as hcl or json, got --as yaml"),
        (["--as", "terraform", "--out", "a"], "--out requires --as hcl or json, got --as terraform"),
        (["--as", "gateway", "--entry", "a"], "--entry requires --as hcl or json, got --as gateway"),
        (["--as", "json", "--service", "a"], "--service requires --as registration or pod-annotations, got --as json"),
        (["--as", "hcl", "--credential", "a"], "--credential requires --as sds, got --as hcl"),
        (["--as", "sds"], "--as sds requires collector.auth"),
        (["--as", "hcl", "--entry", "a", "--out", "b"], "--entry conflicts with --out, which writes all entries"),
    ],
)
def test_option_that_does_not_apply_is_an_error(
    capsys: pytest.CaptureFixture[str], stack: Path, options: list[str], message: str
) -> None:
    run = Run(capsys, "render", "--stack", stack, *options)
    assert (run.code, run.out, run.err) == (2, "", f"consul-tracing: CT601: {message}\n")


def test_format_is_required(capsys: pytest.CaptureFixture[str], stack: Path) -> None:
    run = Run(capsys, "render", "--stack", stack)
    assert (run.code, run.out) == (2, "")
    assert "Missing option '--as'" in run.err


def test_registration_has_the_service_name_of_its_proxy() -> None:
    for tracer in ({"opentelemetry": {"service_name": "mesh"}}, {"datadog": {"service_name": "mesh"}}):
        text = as_registration(settings(tracer=tracer), "web")
        assert '\\"service_name\\":\\"web\\"' in text
        assert "mesh" not in text


OWN = {
    "tracer": {"opentelemetry": {"service_name": "mesh"}},
    "services": {"web": {"protocol": "http", "tracing": {"sampling": 50}}, "api": {"protocol": "http"}},
}


def test_registration_of_a_service_with_its_own_tracing_has_what_differs() -> None:
    own, other = (as_registration(settings(**OWN), service) for service in ("web", "api"))
    assert "envoy_tracing_json" in own
    assert "envoy_extra_static_clusters_json" not in own
    assert "envoy_extra_static_clusters_json" in other


def test_resource_attribute_does_not_replace_the_service_name_of_a_registration() -> None:
    attributes = {"service.name": "mesh", "team": "core"}
    text = as_registration(settings(tracer={"opentelemetry": {"resource_attributes": attributes}}), "web")
    assert '\\"service_name\\":\\"web\\"' in text
    assert "core" in text
    assert "service.name" not in text


def test_pod_annotations_are_those_of_one_service_or_of_all() -> None:
    mesh = settings(**OWN)
    all_services = yaml.safe_load(as_pod_annotations(mesh, None))
    assert all_services.keys() == {"web", "api", "*"}
    for service in ("web", "api", "payments"):
        found = yaml.safe_load(as_pod_annotations(mesh, service))
        assert found == annotations_of(service, all_services)
        keys = json.loads(found["consul.hashicorp.com/proxy-config-map"])
        assert f'"service_name":"{service}"' in keys["envoy_tracing_json"]


def test_render_prints_pod_annotations(capsys: pytest.CaptureFixture[str], stack: Path) -> None:
    run = Run(capsys, "render", "--stack", stack, "--as", "pod-annotations", "--service", "web")
    assert (run.code, run.err) == (0, "")
    assert yaml.safe_load(run.out) == {}


SEVERAL = """
collector: {host: a}
services:
  pay: {name: payments, protocol: http, tracing: {enabled: false}}
  w1: {name: web, protocol: http}
  w2: {name: web, protocol: http, namespace: shop}
"""


@pytest.mark.parametrize("output", ["registration", "pod-annotations"])
@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("pay", "services.pay is named payments: use --service payments"),
        ("web", "--service must be one of w1, w2, the keys of the services named web"),
        ("", '--service must be the name of a service, got ""'),
        ("*", '--service must be the name of a service, got "*"'),
    ],
)
def test_service_that_is_not_one_service_is_an_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, service: str, message: str, output: str
) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(SEVERAL)
    run = Run(capsys, "render", "--args", file, "--as", output, "--service", service)
    assert (run.code, run.out, run.err.startswith(f"consul-tracing: CT601: {message}")) == (2, "", True), run.err


@pytest.mark.parametrize(("target", "code"), [("", 2), ("target: consul,", 0), ("target: kubernetes,", 2)])
def test_pod_annotations_are_those_of_kubernetes_by_default(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, target: str, code: int
) -> None:
    file = tmp_path / "mesh.yaml"
    web = "{protocol: http, tracing: {service_name: '{namespace}/web'}}"
    tracer = "tracer: {opentelemetry: {}}, envoy_version: '1.36'"
    file.write_text(f"{{{target} collector: {{host: a}}, {tracer}, services: {{web: {web}}}}}")
    run = Run(capsys, "render", "--args", file, "--as", "pod-annotations")
    assert (run.code, "services.web.namespace: is required" in run.err) == (code, bool(code))


def test_stack_file_is_not_a_file_of_inputs(capsys: pytest.CaptureFixture[str], stack: Path) -> None:
    run = Run(capsys, "render", "--args", stack, "--as", "json")
    assert run.err == f"consul-tracing: CT601: {stack} is a stack file: use --stack\n"


@pytest.mark.parametrize("service", ["payments", "w1", "w2", "of-another-stack"])
def test_service_by_its_name_or_by_the_key_of_a_repeated_name_is_rendered(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, service: str
) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(SEVERAL)
    run = Run(capsys, "render", "--args", file, "--as", "registration", "--service", service)
    assert run.code == 0
    assert run.err.startswith("Note: services has no of-another-stack: ") is (service == "of-another-stack")


def test_render_prints_the_sds_file_of_a_credential(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("{collector: {host: a, auth: {file: /etc/token.json}}, envoy_version: '1.36'}")
    options = ["render", "--args", file, "--as", "sds"]
    missing = "--as sds requires --credential: a file with the value of authorization"
    assert Run(capsys, *options).err == f"consul-tracing: CT601: {missing}\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("Bearer a=+/\n"))
    assert json.loads(Run(capsys, *options, "--credential", "-").out) == secret_file("Bearer a=+/")
    for unusable in ("", "a\nb", 'a"b', "a\\b", "naïve", "a" * 7001):
        monkeypatch.setattr("sys.stdin", io.StringIO(unusable))
        run = Run(capsys, *options, "--credential", "-")
        message = (
            "the standard input must have one line of at most 7000 ASCII characters, without quotes and backslashes"
        )
        assert (run.code, run.out, run.err) == (2, "", f"consul-tracing: CT601: {message}\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read: while parsing a flow node"),
        ("config: {}", "has no consul-tracing:mesh. For a file with the inputs only, use --args"),
        ("config: {consul-tracing:mesh: {collector: {}}}", "collector.host: is required"),
        ("config: {consul-tracing:mesh: [1]}", "args: must be a map, got a list"),
        *((text, "consul-tracing: CT601: ") for text in ("- a", "config: [1]", "a: 2024-13-45", "[" * 5000)),
    ],
)
def test_invalid_stack_file_produces_one_message(
    capsys: pytest.CaptureFixture[str], stack: Path, content: str, message: str
) -> None:
    stack.write_text(content)
    run = Run(capsys, "render", "--stack", stack, "--as", "yaml")
    assert (run.code, run.out) == (2, "")
    assert message in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize("options", [[], ["--stack", "a", "--args", "b"], ["--args", "/does/not/exist"]])
def test_one_readable_file_is_required(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    run = Run(capsys, "render", "--as", "yaml", *options)
    assert run.code == 2
    assert "exactly one of --stack and --args" in run.err or "cannot be read" in run.err


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": None}, "consul-tracing: CT602: Config.a: null is not supported in HCL. Use --as json"),
        (
            {"a": {"b": [1]}},
            "Config.a.b: a list with one element is not supported in HCL, because Consul reads it as the element.",
        ),
        ({"a": "${b}"}, 'Config.a: "${" is not supported in HCL, which reads it as an expression. Use --as json'),
    ],
)
def test_value_that_hcl_cannot_express_is_an_error(config: dict[str, Any], message: str) -> None:
    with pytest.raises(RenderError) as error:
        as_hcl(Entry("proxy-defaults", "global", {"Config": config}))
    assert message in str(error.value)
