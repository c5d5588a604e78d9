"""The examples of docs/spans.md are valid inputs. Mesh tests run those of names and attributes."""

import re

import pytest
import yaml

from testbed import CHECKOUT
from tests.documents import code_blocks
from tests.unit.meshes import settings

DOCUMENT = "docs/spans.md"
CONFIGURATIONS = [block for block in code_blocks(DOCUMENT, "yaml") if "consul-tracing:mesh" in block]
TAGS = re.findall(r"`(tags: \{.*\})`", (CHECKOUT / DOCUMENT).read_text())


@pytest.mark.parametrize("block", CONFIGURATIONS)
def test_documented_configuration_is_accepted(block: str) -> None:
    args = yaml.safe_load(block)["config"]["consul-tracing:mesh"]
    assert settings(**args).enabled


@pytest.mark.parametrize("text", TAGS)
def test_documented_tag_is_accepted(text: str) -> None:
    assert len(settings(**yaml.safe_load(text)).tags) == 1


def test_examples_are_found() -> None:
    assert (len(CONFIGURATIONS), len(TAGS)) == (3, 4)
