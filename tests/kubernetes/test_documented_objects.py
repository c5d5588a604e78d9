"""The custom resources that pages show are accepted by the API server, which rejects unknown fields and wrong types."""

from typing import Any

import pytest
import yaml

from testbed.kubernetes import Cluster
from tests.docs.pages import PAGES, Block, blocks
from tests.unit.cli.test_lint import EXAMPLES

pytestmark = pytest.mark.kubernetes

GROUP = "consul.hashicorp.com/"
WRONG = {bad for (_, bad), _ in EXAMPLES.values()}
"""Examples of mistakes, which `lint` finds."""

SHOWN = [
    block
    for page in PAGES
    for block in blocks(page)
    if block.language == "yaml" and f"apiVersion: {GROUP}" in block.content and block.content not in WRONG
]


def custom_resources(text: str) -> list[dict[str, Any]]:
    """Return the custom resources of a block, in a namespace that exists. A part of an object has no name."""
    objects = [one for one in yaml.safe_load_all(text) if one and one.get("apiVersion", "").startswith(GROUP)]
    return [
        {**one, "metadata": {"name": "global", **one.get("metadata", {}), "namespace": "default"}} for one in objects
    ]


@pytest.mark.parametrize("block", SHOWN, ids=str)
def test_custom_resource_is_accepted(block: Block, cluster: Cluster) -> None:
    found = custom_resources(block.content)
    assert found
    for one in found:
        cluster.apply(one, dry_run=True)


@pytest.mark.parametrize("spec", ["{protocl: http}", "{protocol: [http]}", "{upstreamConfig: {defaults: {name: 1}}}"])
def test_wrong_custom_resource_is_rejected(spec: str, cluster: Cluster) -> None:
    text = f"apiVersion: {GROUP}v1alpha1\nkind: ServiceDefaults\nmetadata: {{name: web}}\nspec: {spec}\n"
    (wrong,) = custom_resources(text)
    with pytest.raises(Exception, match="protocl|protocol|upstreamConfig") as raised:
        cluster.apply(wrong, dry_run=True)
    assert type(raised.value).__module__.startswith("kubernetes.")
