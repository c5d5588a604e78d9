"""Versions in pages are those that the tests run or that the code knows. Others carry their date."""

import re
import tomllib

import pytest

from testbed import CHECKOUT
from tests.docs.pages import GENERATED, PAGES, read, tokens
from toolchain.programs import PROGRAMS

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
VERSION = r"\d+\.\d+\.\d+(?!\.?\d)"
NAMES = r"\b(Envoy|Consul|Pulumi|Zipkin|Jaeger|Kubernetes)"
OF_PRODUCT = re.compile(rf"{NAMES} (?:CLI |engine )?v?({VERSION}(?:(?:,| and| or) {VERSION})*)")
OF_PACKAGE = re.compile(rf"consul-tracing(?:@|/(?:plugin@)?|/archive/|==|-)v?({VERSION})")
DATE = re.compile(r"\b20\d\d-\d\d(?:-\d\d)?\b|\b[A-Z][a-z]+ 20\d\d\b")
PYTHON = re.compile(r"\bPython (3\.\d+) (?:or newer|to)")


def literals(folder: str, version: str) -> set[str]:
    """Return the versions in the programs of a folder."""
    files = (CHECKOUT / folder).rglob("*.py")
    return {found for file in files for found in re.findall(rf"(?<![\d.])({version})(?![\d.])", file.read_text())}


def known_versions() -> dict[str, set[str]]:
    """Return the versions of each product: those that tests run, and those from which the code behaves differently."""
    code = literals("components", VERSION)
    run = {name: {PROGRAMS[program].version} for name, program in RUN.items()}
    return {
        **run,
        "Consul": run["Consul"] | code,
        "Envoy": run["Envoy"] | literals("tests/mesh", r"1\.(?:3[6-9]|4\d)\.\d+"),
        "Zipkin": run["Zipkin"] | code,
    }


RUN = {
    "Consul": "consul",
    "Envoy": "envoy",
    "Jaeger": "jaeger",
    "Kubernetes": "kube-apiserver",
    "Pulumi": "pulumi",
    "Zipkin": "zipkin",
}
KNOWN = known_versions()
CHECKED = [page for page in PAGES if page not in GENERATED and page != "CHANGELOG.md"]


def unknown_versions(text: str) -> list[str]:
    """Return the versions in a paragraph that no test runs, unless the paragraph has a date."""
    if DATE.search(text):
        return []
    return [
        f"{name} {version}"
        for name, versions in OF_PRODUCT.findall(text)
        for version in re.findall(VERSION, versions)
        if version not in KNOWN[name]
    ]


def paragraphs(page: str) -> list[str]:
    """Return the paragraphs, table cells and blocks of a page. A dated page is one paragraph."""
    if page.startswith("docs/measurements/"):
        return [read(page)]
    return [token.content for token in tokens(page) if token.content]


@pytest.mark.parametrize("page", CHECKED)
def test_versions_are_those_of_the_tests(page: str) -> None:
    found = [one for text in paragraphs(page) for one in unknown_versions(text)]
    assert not found, "\n".join(found)


def test_pages_of_measurements_have_a_date() -> None:
    pages = [page for page in PAGES if page.startswith("docs/measurements/")]
    assert [page for page in pages if not DATE.search(read(page))] == []


@pytest.mark.parametrize("page", CHECKED)
def test_version_of_the_package_is_the_present_one(page: str) -> None:
    assert {*OF_PACKAGE.findall(read(page))} <= {PROJECT["version"]}


@pytest.mark.parametrize("page", CHECKED)
def test_oldest_python_is_that_of_the_package(page: str) -> None:
    found = PYTHON.findall(read(page))
    assert {f">={version}" for version in found} <= {PROJECT["requires-python"]}


def test_versions_are_known() -> None:
    assert KNOWN["Envoy"] >= {"1.36.4", "1.40.0"}
    assert KNOWN["Consul"] >= {PROGRAMS["consul"].version}


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("Run with Consul 1.22.7 and Envoy 1.36.4.", []),
        ("The tests run Envoy 1.36.4, 1.36.5 and 1.40.0.", ["Envoy 1.36.5"]),
        ("Consul 1.99.1 was not run.", ["Consul 1.99.1"]),
        ("Measured on 2026-11-24 with Consul 1.99.1.", []),
        ("Envoy 1.36 has another default.", []),
    ],
)
def test_unknown_version_is_found(text: str, unknown: list[str]) -> None:
    assert unknown_versions(text) == unknown
