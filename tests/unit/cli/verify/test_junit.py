"""Results as JUnit XML."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from consul_tracing.cli.verify.evidence import Cause
from consul_tracing.cli.verify.junit import failed_run, junit_report, write_report
from consul_tracing.cli.verify.report import Result
from consul_tracing.errors import CommandError
from tests.unit.cli.verify.facts import trace
from tests.unit.cli.verify.results import complete, incomplete

URL = "http://localhost:9191/"


def suite(document: bytes) -> ET.Element:
    (found,) = ET.fromstring(document)  # noqa: S314 - own document
    return found


def names(document: bytes, tag: str) -> list[str]:
    return [case.get("name", "") for case in suite(document) if case.find(tag) is not None]


def test_trace_and_each_expected_service_are_tests() -> None:
    found = suite(junit_report(complete()))
    assert found.attrib == {
        "name": "consul-tracing verify",
        "timestamp": "2026-01-01T00:00:00Z",
        "tests": "4",
        "failures": "0",
        "errors": "0",
        "time": "0.600",
    }
    assert [case.get("name") for case in found] == [
        f"{URL}: complete trace",
        *(f"{URL}: span of {service}" for service in ("client", "web", "api")),
    ]
    assert (found[0].findtext("system-out") or "").startswith("The trace is complete")


def test_cause_is_the_failure_of_the_trace() -> None:
    document = junit_report(incomplete())
    assert names(document, "failure") == [f"{URL}: complete trace", f"{URL}: span of api"]
    assert suite(document).get("failures") == "2"
    failure = suite(document)[0][0]
    assert failure.get("message") == "CT404: The collector rejects spans: api (127.0.0.1:19002)"
    assert "To fix: correct the path" in (failure.text or "")


def test_incomplete_trace_without_a_cause() -> None:
    result = Result(trace(expected=()))
    assert suite(junit_report(result))[0][0].get("message") == "No cause was found."


def test_failed_run_is_an_error() -> None:
    document = failed_run(URL, "Consul cannot be read", 1_767_225_600)
    assert names(document, "error") == [f"{URL}: complete trace"]
    assert (suite(document).get("tests"), suite(document).get("errors")) == ("1", "1")


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x08", "\ud800", "\uffff", "\x7f", "<", "]]>", '"', "é"])
def test_any_text_is_valid_xml(character: str) -> None:
    text = f"a{character}b"
    result = incomplete(Cause("CT404", text, text, text), notes=[text])
    failure = suite(junit_report(result))[0][0]
    shown = "a\ufffdb" if character in "\0\x1b\x08\ud800\uffff" else text
    assert shown in (failure.text or "")
    assert shown in failure.get("message", "")


def test_file_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    for content in (b"one", b"two"):
        write_report(file, content)
        assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


def test_device_is_not_replaced() -> None:
    write_report(Path("/dev/null"), b"one")
    assert Path("/dev/null").is_char_device()


def test_unwritable_file_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="report.xml cannot be written: No such file or directory"):
        write_report(tmp_path / "missing" / "report.xml", b"")
    (tmp_path / "directory").mkdir()
    with pytest.raises(CommandError, match="cannot be written: Is a directory"):
        write_report(tmp_path / "directory", b"")
    assert [one.name for one in tmp_path.iterdir()] == ["directory"]
