"""The inputs in the guides are valid. Mesh tests run those of names, attributes and the adoption of entries."""

import re

import pytest
import yaml

from testbed import CHECKOUT
from tests.documents import code_blocks
from tests.unit.meshes import settings

GUIDES = sorted(path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "docs/guides").glob("*.md"))
BLOCKS = [(guide, block) for guide in GUIDES for block in code_blocks(guide, "yaml")]
STACKS = [
    (guide, yaml.safe_load(block)["config"]["consul-tracing:mesh"])
    for guide, block in BLOCKS
    if "consul-tracing:mesh" in block
]
ARGS = [(guide, yaml.safe_load(block)) for guide, block in BLOCKS if block.startswith("collector:")]
TAGS = re.findall(r"`(tags: \{.*\})`", (CHECKOUT / "docs/guides/spans.md").read_text())


@pytest.mark.parametrize(("guide", "args"), STACKS + ARGS)
def test_documented_inputs_are_accepted(guide: str, args: dict[str, object]) -> None:
    assert settings(**args).enabled, guide


@pytest.mark.parametrize("text", TAGS)
def test_documented_tag_is_accepted(text: str) -> None:
    assert len(settings(**yaml.safe_load(text)).tags) == 1


def test_examples_are_found() -> None:
    assert (len(STACKS), len(ARGS), len(TAGS)) == (8, 2, 4)
