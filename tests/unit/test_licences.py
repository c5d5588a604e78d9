"""The licences of the run-time dependencies: allowed, and listed in docs/licences.md."""

import os
import re
from importlib.metadata import Distribution, distribution, version

import pytest
from packaging.requirements import Requirement

from testbed import CHECKOUT

PAGE = CHECKOUT / "docs" / "licences.md"
HEAD = """# Licences

The licences of the packages that consul-tracing and its extras install, by their metadata. All permit the use in
proprietary programs. `consul_tracing/envoy_messages/messages.json` is derived from Envoy's API (Apache-2.0).

| package | licence |
|---|---|
"""
ALLOWED = re.compile(r"MIT|Apache|BSD|ISC|MPL|PSF|Python Software Foundation|Unlicense|CNRI")


def required(name: str, extras: frozenset[str], found: dict[str, str]) -> dict[str, str]:
    """Collect the licence of each distribution that a distribution with these extras requires."""
    for text in distribution(name).requires or []:
        requirement = Requirement(text)
        environments = [{"extra": extra} for extra in extras or {""}]
        is_required = not requirement.marker or any(map(requirement.marker.evaluate, environments))
        if not is_required or requirement.name == "consul-tracing":
            continue
        dependency = distribution(requirement.name)
        if dependency.metadata["Name"] not in found:
            found[dependency.metadata["Name"]] = licence(dependency)
            required(requirement.name, frozenset(requirement.extras), found)
    return found


def licence(dependency: Distribution) -> str:
    """Return the SPDX expression, the classifiers, or the first line of the licence of a distribution."""
    metadata = dependency.metadata
    names = [one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier") or [] if one.startswith("License ::")]
    declared = metadata.get("License-Expression") or ", ".join(sorted(names)) or metadata.get("License") or "unknown"
    return declared.splitlines()[0]


def licences() -> dict[str, str]:
    found = required("consul-tracing", frozenset({"cli", "kubernetes"}), {})
    return dict(sorted(found.items(), key=lambda one: one[0].lower()))


def test_every_licence_is_allowed() -> None:
    assert {name: text for name, text in licences().items() if not ALLOWED.search(text)} == {}


def test_reference_lists_the_licences() -> None:
    """`CONSUL_TRACING_UPDATE_GOLDEN=1` writes the document. Names depend on Python, so that only missing ones fail."""
    found = licences()
    locked = dict(line.split("==") for line in (CHECKOUT / "constraints.txt").read_text().splitlines())
    # A package that constraints.txt does not name at all is no reason to skip: it was added without `make lock`.
    if others := [name for name in found if locked.get(name, version(name)) != version(name)]:
        pytest.skip(f"constraints.txt, which the document describes, has other versions of {', '.join(others)}")
    rows = {f"| {name} | {text} |" for name, text in found.items()}
    if os.environ.get("CONSUL_TRACING_UPDATE_GOLDEN"):
        PAGE.write_text(HEAD + "\n".join(sorted(rows, key=str.lower)) + "\n")
    listed = {line.split(" | ")[0] for line in PAGE.read_text().splitlines()}
    assert {row.split(" | ")[0] for row in rows} <= listed
