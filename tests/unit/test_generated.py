"""The files that `make generate` writes."""

import json
from pathlib import Path

import pytest

from consul_tracing.inputs.validation import Settings
from generate.files import ROOT, generated
from generate.inputs import COMPONENTS, groups, inputs_of, title
from generate.reference.inputs import camel_case


@pytest.mark.parametrize(("path", "text"), generated().items())
def test_generated_file_is_up_to_date(path: str, text: str) -> None:
    assert Path(ROOT / path).read_text() == text, "run make generate"


SCHEMA = json.loads((ROOT / "tests/golden/schema.json").read_text())
PROPERTIES = {
    name.rpartition(":")[2].removesuffix("Args"): set(one.get("inputProperties") or one["properties"])
    for kind in ("resources", "types")
    for name, one in SCHEMA[kind].items()
}


@pytest.mark.parametrize("group", groups(*COMPONENTS), ids=title)
def test_camel_case_names_are_those_of_the_schema(group: type[Settings]) -> None:
    assert {camel_case(one.name) for one in inputs_of(group)} == PROPERTIES[title(group)]
