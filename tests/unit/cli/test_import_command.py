"""Files, outcomes and errors of `consul-tracing import`."""

import json
from pathlib import Path

import pytest
import yaml

from consul_tracing.cli.render.rendering import as_json
from consul_tracing.entries.bodies import proxy_defaults
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.stack_config import MESH_KEY
from tests.unit.cli.test_recovery import entry
from tests.unit.meshes import settings
from tests.unit.test_cli import Run

WEB = '{"Kind": "service-defaults", "Name": "web", "Protocol": "http"}'

REFERRING = """
resource "consul_config_entry" "p" {
  kind = "proxy-defaults"
  name = "global"
  config_json = jsonencode({
    Config = {
      envoy_tracing_json               = file("${path.module}/tracing.json")
      envoy_extra_static_clusters_json = file("${path.module}/cluster.json")
      envoy_listener_tracing_json      = file("${path.module}/listener.json")
    }
  })
}
"""


def inputs(run: Run) -> dict[str, object]:
    """Return the inputs in the printed stack file."""
    found: dict[str, object] = yaml.safe_load(run.out)["config"][MESH_KEY]
    return found


def test_files_and_directories_are_read_as_lint_reads_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh" / "global.json").write_text(entry())
    (tmp_path / "mesh" / "notes.txt").write_text("no entry")
    (tmp_path / "mesh" / ".hidden").mkdir()
    (tmp_path / "mesh" / ".hidden" / "global.json").write_text(entry())
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "global.json").write_text(entry())
    (tmp_path / "web.hcl").write_text('Kind = "service-defaults"\nName = "web"\nProtocol = "http"\n')
    run = Run(capsys, "import", tmp_path, tmp_path / "web.hcl", "--exclude", "old")
    assert (run.code, run.err) == (0, "")
    assert inputs(run)["services"] == {"web": {"protocol": "http"}}


def test_two_meshes_are_refused_with_their_places(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("dev", "prod"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "global.json").write_text(entry())
    run = Run(capsys, "import", tmp_path)
    assert (run.code, run.out) == (2, "")
    assert run.err == (
        "consul-tracing: CT601: exactly one proxy-defaults entry is required, "
        f"got {tmp_path}/dev/global.json:1, {tmp_path}/prod/global.json:1\n"
    )


def test_tracing_in_other_files_is_left_to_the_user(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A stack with `enabled: false`, or with a placeholder, would remove the live tracing."""
    file = tmp_path / "main.tf"
    file.write_text(REFERRING)
    run = Run(capsys, "import", file)
    assert run.code == 1
    assert inputs(run) == {"existing": "adopt"}
    shown = [line.removeprefix(f"consul-tracing: CT603: {file}:") for line in run.err.splitlines()]
    reason = "is unknown, because it is an expression"
    for line, key, name in (
        (7, "envoy_tracing_json", "tracing"),
        (8, "envoy_extra_static_clusters_json", "cluster"),
        (9, "envoy_listener_tracing_json", "listener"),
    ):
        found = f'"file(\\"${{path.module}}/{name}.json\\")"'
        assert shown[line - 7] == f"{line}: proxy-defaults/global: Config.{key}: {reason}: {found}"
    assert shown[3:] == [
        (
            "2: proxy-defaults/global: collector.host is left out, "
            "because tracing depends on a value that cannot be read. "
            "Complete the inputs and set it: a stack without it is rejected"
        )
    ]
    with pytest.raises(ValueError, match="collector: is required"):
        MeshSettings.of("mesh", inputs(run))


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("broken.hcl", 'Kind = "proxy-defaults"\nConfig {\n', "CT336: {file}:3: "),
        ("compose.yaml", "a:\n  envoy_tracing_json: '{}'\n", "CT350: {file}:2: a tracing key is in a place"),
        ("chart.yaml", "{{- range .Values.consul }}\n{{- end }}\n", "CT330: {file}:1: is not checked, because"),
    ],
)
def test_file_that_is_not_read_is_reported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, text: str, line: str
) -> None:
    (tmp_path / "global.json").write_text(entry())
    (tmp_path / name).write_text(text)
    run = Run(capsys, "import", tmp_path)
    assert (run.code, inputs(run)["collector"]) == (1, {"host": "zipkin.service.consul"})
    assert run.err.startswith(f"consul-tracing: {line.format(file=tmp_path / name)}")
    (tmp_path / "global.json").unlink()
    run = Run(capsys, "import", tmp_path)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"consul-tracing: {line.format(file=tmp_path / name)}")
    assert run.err.endswith("exactly one proxy-defaults entry is required, got none\n")


def test_patch_is_not_imported_as_an_entry(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    patch = [{"op": "replace", "path": "/spec/config/envoy_tracing_json", "value": "{}"}]
    target = {"kind": "ProxyDefaults", "name": "global"}
    kustomization = {"kind": "Kustomization", "patches": [{"target": target, "patch": json.dumps(patch)}]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    run = Run(capsys, "import", tmp_path)
    assert (run.code, run.out) == (2, "")
    assert "kustomization.yaml:3: proxy-defaults/global must be a whole entry, got a patch" in run.err
    (tmp_path / "global.json").write_text(entry())
    run = Run(capsys, "import", tmp_path)
    assert (run.code, inputs(run)["collector"]) == (1, {"host": "zipkin.service.consul"})
    assert run.err.endswith("is not imported, because the file contains only a part of the entry\n")


def test_unexpected_error_is_one_line_with_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise KeyError("x")

    file = tmp_path / "global.json"
    file.write_text(entry())
    monkeypatch.setattr("consul_tracing.cli.importing.recovery.recover", fail)
    run = Run(capsys, "import", file)
    assert (run.code, run.out) == (2, "")
    assert run.err == f"consul-tracing: CT601: {file} cannot be imported: KeyError: 'x'\n"


def test_former_option_of_render_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "render", "--from", "-")
    assert run.code == 2
    assert "No such option" in run.err


def test_files_are_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert Run(capsys, "import").code == 2
    run = Run(capsys, "import", "/does/not/exist")
    assert (run.code, run.out) == (2, "")
    assert "/does/not/exist cannot be read" in run.err


@pytest.mark.parametrize(
    ("declared", "assumed", "end"),
    [
        ("1.34", "1.34", 'Set that of the mesh. From "1.35" on, the stack adds a sampler to the tracer\n'),
        ("1.40", "1.35", "Set that of the mesh\n"),
    ],
)
def test_assumed_version_of_envoy_is_a_note(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, declared: str, assumed: str, end: str
) -> None:
    mesh = settings(tracer={"opentelemetry": {}}, envoy_version=declared)
    (file := tmp_path / "global.json").write_text(as_json(proxy_defaults(mesh)))
    run = Run(capsys, "import", file)
    assert (run.code, inputs(run)["envoy_version"]) == (0, assumed)
    assert run.err.startswith(f'consul-tracing: CT604: envoy_version: is "{assumed}", ')
    assert run.err.endswith(end)
