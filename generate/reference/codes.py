"""The reference of the messages and of the findings of `lint`: an index, and a section for each code."""

from __future__ import annotations

import re
from pathlib import Path

from consul_tracing.codes import CODES, page_of
from consul_tracing.lint.checks import check_texts
from consul_tracing.lint.examples import complete_entry, condition, examples
from consul_tracing.lint.fixes import FIXABLE
from consul_tracing.lint.releases import Releases
from consul_tracing.severities import severity

RECORDED = Path(__file__).parents[2] / "tests" / "golden" / "messages.txt"
"""A message of each code, which tests record from the code."""

EXAMPLE_RELEASES = Releases(envoy=(1, 35), consul=(1, 21, 0))
"""The oldest programs of the mesh in the examples."""

MESSAGES = """\
# Messages

Every error and warning has a stable code. CT1xx are errors of inputs, CT2xx stop an update, CT4xx are causes that
`consul-tracing verify` finds, CT5xx are warnings and information of an update, and CT6xx belong to the command line.
CT3xx are the [findings of lint](lint.md).

The severity is the highest one: a preview can report as a warning what stops the update. Each section has one message
as an example, without its last line, which is the address of the section. `consul-tracing explain CT201` prints the
cause and the fix.

"""

LINT = """\
# Findings of `lint`

`consul-tracing lint` checks config entries, registrations and live meshes, also those that other tools wrote:
[options and exit codes](command-line.md#lint).

- **error**: proxies do not start, or requests are not traced.
- **warning**: requests are traced, with an effect that few users want.
- **info**: nothing to change, or a value that is not checked. It changes no exit code.

`--fix` writes the findings with *yes*, and those with *some* where the fix is unambiguous. A comment
`# consul-tracing: ignore=CT317 reason` ignores what is intended. `consul-tracing explain CT317` prints a section. Tests
run the examples.

"""


def messages() -> str:
    """Return the page of the messages."""
    codes = [code for code in CODES if not code.startswith("CT3")]
    rows = [f"| [{code}](#{code.lower()}) | {CODES[code].title} | {severity(code)} |" for code in codes]
    recorded = _recorded()
    sections = [f"{_section(code)}\n```text\n{recorded[code]}\n```\n" for code in codes]
    return MESSAGES + "\n".join(["| code | message | severity |\n|---|---|---|", *rows, "", *sections])


def lint() -> str:
    """Return the page of the findings."""
    codes = [code for code in CODES if code.startswith("CT3")]
    rows = [
        f"| [{code}](#{code.lower()}) | {CODES[code].title} | {severity(code)} | {_fixable(code)} |" for code in codes
    ]
    entry = _folded("The complete entry of a traced mesh", "hcl", complete_entry())
    sections = [_section(code) + "".join(f"\n{part}" for part in _details(code)) for code in codes]
    return LINT + "\n".join(["| code | finding | severity | `--fix` |\n|---|---|---|---|", *rows, "", entry, *sections])


def _section(code: str) -> str:
    one = CODES[code]
    anchor = page_of(code).partition("#")[2]
    head = f'<a id="{anchor}"></a>\n\n## {code}: {one.title}\n'
    return f"{head}\n{severity(code).capitalize()}. {one.cause}\n\n**Fix.** {one.fix}\n"


def _details(code: str) -> list[str]:
    parts = [f"{condition(code)}\n"] if condition(code) else []
    if shown := examples().get(code):
        parts += [_folded("Bad", shown.language, shown.bad), _folded("Good", shown.language, shown.good)]
    return parts


def _folded(title: str, language: str, text: str) -> str:
    head = f'<details markdown="1">\n<summary>{title}</summary>'
    return f"{head}\n\n```{language}\n{text}```\n\n</details>\n"


def _fixable(code: str) -> str:
    if code not in FIXABLE:
        return ""
    shown = examples()[code]
    (finding,) = check_texts({f"example.{shown.language}": shown.bad}, EXAMPLE_RELEASES).findings
    return "yes" if finding.issue.replacement else "some"


def _recorded() -> dict[str, str]:
    """Return the recorded message of each code, without the address of its page."""
    found = re.finditer(r"^consul-tracing: (CT\d{3}): .*(?:\n  .*)*", RECORDED.read_text(), re.MULTILINE)
    return {one[1]: one[0].removesuffix(f"\n  {page_of(one[1])}") for one in found}
