"""The codes of messages: each is documented, and each is explained by the command line."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from consul_tracing.codes import CODES, DOCUMENTATION, SITE, SOURCE, page_of
from consul_tracing.errors import CommandError
from consul_tracing.lint.examples import examples
from testbed import CHECKOUT
from tests.command_line import consul_tracing

GIT = shutil.which("git") or "git"


def test_documentation_is_at_the_address_of_the_project() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert project["urls"]["Documentation"] == DOCUMENTATION
    assert project["urls"]["Source"] == SOURCE


@pytest.mark.parametrize("code", CODES)
def test_address_of_each_code_is_an_anchor_above_its_section(code: str) -> None:
    page, _, anchor = page_of(code).removeprefix(SITE).partition("/#")
    section = f'\n\n<a id="{anchor}"></a>\n\n## {code}: {CODES[code].title}\n\n'
    assert (CHECKOUT / "docs" / f"{page}.md").read_text().count(section) == 1


def test_code_is_explained_with_cause_fix_example_and_address() -> None:
    shown = consul_tracing("explain", "ct351")
    assert (shown.exit_code, shown.stdout) == (
        0,
        """\
CT351: A kind or API version is unknown (error)

Cause: Consul refuses an entry with another kind, such as `ProxyDefaults`, which is the kind of the custom \
resource. Kubernetes refuses an object with another kind or API version.

Fix: Write the kind that the message names: `proxy-defaults` for Consul, `ProxyDefaults` with \
`consul.hashicorp.com/v1alpha1` for Kubernetes.

Change in an example:
@@ -1,5 +1,5 @@
 {
-  "Kind": "ProxyDefaults",
+  "Kind": "proxy-defaults",
   "Name": "global",
   "Config": {"protocol": "http"}
 }

Example after the change:
{
  "Kind": "proxy-defaults",
  "Name": "global",
  "Config": {"protocol": "http"}
}

https://consul-tracing.github.io/consul-tracing/latest/reference/lint/#ct351
""",
    )


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code: str) -> None:
    explained = json.loads(consul_tracing("explain", code, "--format", "json").stdout)
    assert explained["code"] == code
    assert all(explained[field] for field in ("title", "cause", "fix", "page"))
    assert bool(explained["example"]) == (code in examples())


@pytest.mark.parametrize("code", examples())
def test_explained_change_makes_the_good_example_of_the_bad_one(code: str, tmp_path: Path) -> None:
    example = json.loads(consul_tracing("explain", code, "--format", "json").stdout)["example"]
    (tmp_path / "example").write_text(example["bad"])
    patch = f"--- a/example\n+++ b/example\n{example['change']}\n"
    subprocess.run([GIT, "apply", "-"], input=patch, text=True, check=True, cwd=tmp_path)
    assert (tmp_path / "example").read_text() == example["good"]
    assert example["good"] in consul_tracing("explain", code).stdout


def test_code_needs_no_letters() -> None:
    assert consul_tracing("explain", "310") == consul_tracing("explain", "ct310")


def test_unknown_code_is_rejected_with_the_closest_one() -> None:
    with pytest.raises(CommandError, match='CT3100 is not a code of this version; did you mean "CT310"'):
        consul_tracing("explain", "CT3100")
