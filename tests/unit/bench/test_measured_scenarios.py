import subprocess
import sys
from typing import Any

import pytest

from bench import BY_COMPONENT, BY_HAND
from bench.pulumi_runs import NO_CHANGES, without_metadata

ENTRY = {
    "Kind": "proxy-defaults",
    "Name": "global",
    "Config": {"envoy_tracing_json": '{"http":{}}', "envoy_extra_static_clusters_json": '{"name":"a"},{"name":"b"}'},
    "Meta": {"managed-by": "pulumi"},
    "CreateIndex": 4,
    "ModifyIndex": 5,
}


def test_comparison_ignores_metadata_indexes_and_blanks() -> None:
    spaced: dict[str, Any] = {
        **ENTRY,
        "Config": {
            "envoy_tracing_json": '{"http": {}}',
            "envoy_extra_static_clusters_json": '{"name":"a"}, {"name":"b"}',
        },
        "Meta": {},
        "ModifyIndex": 9,
    }
    assert without_metadata(spaced) == without_metadata(ENTRY)


def test_entries_with_different_content_are_different() -> None:
    other = {**ENTRY, "Config": {"envoy_tracing_json": "{}"}}
    assert without_metadata(other) != without_metadata(ENTRY)


@pytest.mark.parametrize(
    ("output", "nothing"),
    [
        ("Resources:\n    1003 unchanged\n\nDuration: 8s", True),
        ("Resources:\n    ~ 1 updated\n    1002 unchanged", False),
        ("Resources:\n    + 3 created", False),
    ],
)
def test_second_up_counts_only_without_changes(output: str, nothing: bool) -> None:  # noqa: FBT001
    assert bool(NO_CHANGES.search(output)) is nothing


@pytest.mark.parametrize("program", [BY_HAND, BY_COMPONENT])
def test_programs_run_without_an_engine(program: str) -> None:
    ended = subprocess.run([sys.executable, "-m", "bench.under_mocks", program, "2"], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
