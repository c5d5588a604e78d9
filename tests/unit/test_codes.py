"""The codes of messages: each is documented, and each is explained by the command line."""

import difflib
import json
import os
import re
import tomllib

import pytest

from consul_tracing.cli import explain
from consul_tracing.codes import CODES, page_of
from consul_tracing.codes import REFERENCE as ADDRESS
from consul_tracing.errors import CommandError
from testbed import CHECKOUT
from tests.command_line import consul_tracing
from tests.unit.cli.test_lint import EXAMPLES

REFERENCE = CHECKOUT / "docs" / "reference" / "messages.md"
HEAD = """# Messages

Every error and warning of consul-tracing has a stable code. Errors of inputs (CT1xx) and of ownership, backends and
synchronization (CT2xx) stop the preview or the update. Warnings and information (CT5xx) do not. `consul-tracing lint`
reports CT3xx ([examples](lint.md)), `consul-tracing verify` CT4xx, and the command line itself CT6xx.

"""


def reference() -> str:
    sections = (
        f"## {code}: {one.title}\n\n**Cause.** {one.cause}\n\n**Fix.** {one.fix}\n" for code, one in CODES.items()
    )
    return HEAD + "\n".join(sections)


def test_reference_documents_every_code() -> None:
    """`CONSUL_TRACING_UPDATE_GOLDEN=1` writes the document instead."""
    if os.environ.get("CONSUL_TRACING_UPDATE_GOLDEN"):
        REFERENCE.write_text(reference())
    assert REFERENCE.read_text() == reference()


def examples() -> str:
    """Return the lines that the good example of each code removes and adds."""
    sections = []
    for code, ((_, bad), (_, good)) in EXAMPLES.items():
        lines = difflib.unified_diff(bad.splitlines(), good.splitlines(), n=0, lineterm="")
        changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        sections.append("\n".join([f"# {code}", *changed]) + "\n")
    return "\n".join(sections)


def test_examples_of_explain_are_those_of_the_reference() -> None:
    """`CONSUL_TRACING_UPDATE_GOLDEN=1` writes the file instead."""
    file = CHECKOUT / "components" / "consul_tracing" / "lint" / "examples.diff"
    if os.environ.get("CONSUL_TRACING_UPDATE_GOLDEN"):
        file.write_text(examples())
    assert file.read_text() == examples()


def test_address_of_each_code_is_a_heading_of_its_page() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert project["urls"]["Source"] + "/blob/main/docs/reference" == ADDRESS
    for code in CODES:
        page, _, anchor = page_of(code).partition("#")
        headings = re.findall(
            "^## (.*)$", (CHECKOUT / "docs/reference" / page.rpartition("/")[2]).read_text(), re.MULTILINE
        )
        assert anchor in {re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_code_is_explained_with_cause_fix_example_and_address() -> None:
    shown = consul_tracing("explain", "ct314")
    assert (shown.exit_code, shown.stdout) == (
        0,
        """\
CT314: Spans are sent to Zipkin's former path (error of lint)

Cause: Envoy sends spans of the format v2. At `/api/v1/spans` Zipkin rejects them, and proxies lose them \
(hashicorp/consul-k8s#967).

Fix: Set `collector_endpoint: /api/v2/spans`.

Example:
-      "collector_endpoint": "/api/v1/spans",
+      "collector_endpoint": "/api/v2/spans",

https://github.com/consul-tracing/consul-tracing/blob/main/docs/reference/lint.md\
#ct314-spans-are-sent-to-zipkins-former-path
""",
    )


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code: str) -> None:
    explained = json.loads(consul_tracing("explain", code, "--format", "json").stdout)
    assert explained["code"] == code
    assert all(explained[field] for field in ("title", "cause", "fix", "page"))
    assert bool(explained["example"]) == (code in EXAMPLES)
    assert "# CT" not in explain.example(code)


def test_unknown_code_is_rejected_with_the_closest_one() -> None:
    with pytest.raises(CommandError, match='CT3100 is not a code of this version; did you mean "CT310"'):
        consul_tracing("explain", "CT3100")
