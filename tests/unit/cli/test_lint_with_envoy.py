"""`consul-tracing lint --with-envoy`, with a program in place of Envoy."""

import json
import sys
from pathlib import Path

import pytest

from consul_tracing.cli.lint import envoy
from consul_tracing.errors import CommandError
from tests.command_line import consul_tracing
from tests.unit.cli.test_lint_inputs import CONFIG, block, cluster, manifest, service, tracer, write

ERROR = "[critical] error initializing configuration '{file}': "
DUMP = 'goo.gle/debugstr \nstat_prefix: "lint"\n: Proto constraint validation failed (Percent.Value: \n too large)'


def program(directory: Path, body: str) -> str:
    """Write a program that gets the path of the bootstrap as `file`, and return its path."""
    found = directory / "envoy"
    found.write_text(f"#!{sys.executable}\nimport os, sys, time\nfile = sys.argv[-1]\n{body}\n")
    found.chmod(0o755)
    return str(found)


def rejecting(directory: Path, message: str) -> str:
    return program(directory, f"sys.exit({ERROR!r}.format(file=file) + {message!r})")


def accepting(directory: Path) -> str:
    return program(
        directory,
        f"open({str(directory / 'copy.json')!r}, 'w').write(open(file).read())\n"
        'print(f"configuration \'{file}\' OK")\nassert sys.argv[1:3] == ["--mode", "validate"]',
    )


def shown(tmp_path: Path, text: str, with_envoy: str, *options: str, file: str = "mesh.hcl") -> tuple[str, int]:
    result = consul_tracing(
        "lint", f"{write(tmp_path / 'a', {file: text})}/{file}", "--with-envoy", with_envoy, *options
    )
    return result.stdout + result.stderr, result.exit_code


def test_bootstrap_contains_the_keys_of_the_entry(tmp_path: Path) -> None:
    output, code = shown(tmp_path, block(), accepting(tmp_path))
    assert (output.partition("Checked")[0], code) == ("No findings. ", 0)
    found = json.loads((tmp_path / "copy.json").read_text())
    (manager,) = found["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    listener = json.loads(CONFIG["envoy_listener_tracing_json"])
    assert found["tracing"] == json.loads(tracer())
    assert json.loads(cluster()) in found["static_resources"]["clusters"]
    assert {"@type": listener["@type"], **manager["typed_config"]["tracing"]} == listener
    assert found.keys() == {"node", "static_resources", "tracing"}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("envoy.tracers.zipkin: unknown\n cluster 'a'", "envoy.tracers.zipkin: unknown cluster 'a'"),
        (DUMP, "Proto constraint validation failed (Percent.Value: too large)"),
        ('Unable to parse JSON (no @type): {"node": {"id"', "Unable to parse JSON (no @type)"),
        ("x" * 500, "x" * 400 + "…"),
    ],
)
def test_message_of_envoy_is_an_error_at_the_entry(tmp_path: Path, message: str, reason: str) -> None:
    output, code = shown(tmp_path, block(), rejecting(tmp_path, message))
    assert (f"mesh.hcl:3: error CT349: Config is rejected by Envoy: {reason}\n" in output, code) == (True, 1)


def test_crash_of_envoy_is_an_error_at_the_entry(tmp_path: Path) -> None:
    output, code = shown(tmp_path, block(), program(tmp_path, "os.kill(os.getpid(), 11)"))
    assert ("CT349: Config is rejected by Envoy: it ends with SIGSEGV" in output, code) == (True, 1)


def test_file_of_the_proxies_is_not_required(tmp_path: Path) -> None:
    output, code = shown(tmp_path, block(), rejecting(tmp_path, "Invalid path: /etc/ca.pem"))
    assert ("info CT330: Config is not validated by Envoy: Invalid path: /etc/ca.pem" in output, code) == (True, 0)


def test_credential_in_the_message_is_not_shown(tmp_path: Path) -> None:
    text = block(extra_static_clusters=cluster("http://user:hunter2@zipkin"))
    output, _ = shown(tmp_path, text, rejecting(tmp_path, "invalid address http://user:hunter2@zipkin"))
    assert "CT349" in output
    assert "hunter2" not in output


def test_finding_of_envoy_can_be_ignored_in_the_file(tmp_path: Path) -> None:
    text = f"# consul-tracing: ignore=CT349 newer Envoy\n{block()}"
    assert shown(tmp_path, text, rejecting(tmp_path, "x"))[1] == 0
    assert shown(tmp_path, text, accepting(tmp_path))[1] == 0


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (manifest().replace("zipkin.example", "{{ .host }}"), "mesh.yaml"),
        (service().replace("envoy_extra_static_clusters_json", "other"), "web.hcl"),
        ('Kind = "service-defaults"\nName = "web"\nProtocol = "http"', "web.hcl"),
    ],
)
def test_entry_with_unknown_parts_is_not_validated(tmp_path: Path, text: str, file: str) -> None:
    assert "CT349" not in shown(tmp_path, text, rejecting(tmp_path, "x"), file=file)[0]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("time.sleep(60)", "did not validate within 1 seconds"),
        ("", "--mode validate did not report a result: exit code 0"),
        ("sys.exit(3)", "--mode validate did not report a result: exit code 3"),
    ],
)
def test_program_without_a_result_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    monkeypatch.setattr(envoy, "TIMEOUT_SECONDS", 1)
    with pytest.raises(CommandError, match=reason):
        shown(tmp_path, block(), program(tmp_path, body))


def test_envoy_must_be_an_executable(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match='--with-envoy must be an executable, got "/nope/envoy"'):
        shown(tmp_path, block(), "/nope/envoy")
