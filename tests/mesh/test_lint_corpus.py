"""The findings of lint, compared with Envoy: what Envoy refuses has an error. Envoys validate a corpus of entries."""

import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import toolchain
from consul_tracing.cli.lint.envoy import MISSING_FILE, bootstrap, rejection
from consul_tracing.envoy_messages.messages import TRACING
from consul_tracing.envoy_messages.reader import read
from consul_tracing.files.document import Document
from consul_tracing.files.documents import read_documents
from consul_tracing.lint.checks import read as documents_in
from consul_tracing.lint.releases import Releases
from consul_tracing.lint.rules import document_findings, effective_configs
from consul_tracing.severities import Severity
from testbed import CHECKOUT
from tests.unit.cli import test_lint_inputs as inputs
from tests.unit.cli.test_lint import EXAMPLES
from tests.unit.cli.test_lint_exceptions import ROWS, edited
from tests.unit.lint.test_rules import SKYWALKING

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

MUTANTS = 400
VALUES: list[Any] = [
    *(
        "",
        "x",
        "1s",
        "100",
        "true",
        "::1",
        "STATIC",
        "zipkin",
        "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
    ),
    *(0, -1, 1.5, 101, 2**32, True, None, {}, [], [{}], {"value": 1}, {"a": 1}),
]
SEEDS = [
    inputs.config(),
    inputs.config(extra_static_clusters=inputs.cluster(port=443, transport_socket=inputs.TLS)),
    inputs.config(
        tracing=inputs.OTLP,
        extra_static_clusters=inputs.cluster(port=4317, typed_extension_protocol_options=inputs.HTTP2),
    ),
    inputs.config(tracing=inputs.OTLP_HTTP, extra_static_clusters=inputs.cluster(port=4318)),
    inputs.config(tracing=inputs.DATADOG, extra_static_clusters=inputs.cluster("10.0.0.1", 8126, type="STATIC")),
    inputs.config(tracing=SKYWALKING),
    inputs.config(
        listener_tracing=inputs.listener(
            max_path_tag_length=256,
            custom_tags=[{"tag": "a", "literal": {"value": "b"}}, {"tag": "b", "request_header": {"name": "c"}}],
            provider=json.loads(inputs.tracer())["http"],
        )
    ),
]


def documents() -> Iterator[Document]:
    """Yield the entries of the examples, the tests, and the golden files."""
    for code, blocks in EXAMPLES.items():
        for number, (form, text) in enumerate(blocks):
            yield from documents_in(text, f"{code}-{number}.{form}")[0]
    for number, (edits, _) in enumerate(ROWS):
        yield entry(edited(**edits), f"row-{number}.json")
    for name, files in [*((name, files) for name, files, _ in inputs.MISTAKES), *inputs.CORRECT.items()]:
        for file, text in files.items():
            yield from documents_in(text, f"{name}/{file}")[0]
    for golden in ("dev", "staging", "prod"):
        entries = json.loads((CHECKOUT / "tests" / "golden" / f"{golden}.json").read_text())
        config = next(one.get("Config", one.get("config")) for one in entries.values())
        yield entry({key: json.dumps(value)[1:-1] for key, value in config.items()}, f"{golden}.json")
    for number in range(MUTANTS):
        yield entry(mutant(random.Random(number)), f"mutant-{number}.json")  # noqa: S311 - the same in each run


def entry(config: object, file: str) -> Document:
    (found,) = read_documents(json.dumps({"Kind": "proxy-defaults", "Name": "global", "Config": config}), file)
    return found


def mutant(choice: random.Random) -> dict[str, str]:
    """Return the keys of a mesh with one changed, removed, renamed or added value."""
    keys = {key: json.loads(text) for key, text in choice.choice(SEEDS).items()}
    holder: Any = keys[choice.choice(sorted(keys))]
    while True:
        steps = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        step = choice.choice(steps) if steps else None
        if step is None or not isinstance(holder[step], dict | list) or choice.random() < 0.05:
            break
        holder = holder[step]
    change(holder, step, choice)
    return {key: json.dumps(value) for key, value in keys.items()}


def change(holder: Any, step: Any, choice: random.Random) -> None:
    kind, value = choice.randrange(5), choice.choice(VALUES)
    if step is not None and kind == 0:
        del holder[step]
    elif isinstance(holder, dict) and step is not None and kind == 1:
        holder[f"{step}s"] = holder.pop(step)
    elif isinstance(holder, list):
        holder.append(value)
    elif kind == 2:
        holder[choice.choice(["name", "config", "value", "type", "port_value", "hosts"])] = value
    elif step is not None:
        holder[step] = value


@pytest.mark.parametrize("version", ["1.36.4", "1.40.0"])
def test_what_envoy_refuses_is_an_error_of_lint(version: str) -> None:
    executable = str(toolchain.program("envoy", version))
    major, minor, _ = version.split(".")
    oldest = Releases(envoy=(int(major), int(minor)))
    corpus = [(one, content) for one in documents() if (content := content_of(one))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        refused = list(pool.map(lambda one: rejection(one[1], executable), corpus))
    missed = [
        f"{document.file}: {reason}\n{document.fields['Config']}"
        for (document, _), reason in zip(corpus, refused, strict=True)
        if reason
        and not MISSING_FILE.search(reason)
        and not any(one.severity is Severity.ERROR for one in document_findings(document, None, oldest))
    ]
    assert not missed, "\n".join(missed)
    assert sum(map(bool, refused)) > MUTANTS // 4
    assert sum(not reason for reason in refused) > MUTANTS // 4


def content_of(document: Document) -> dict[str, Any] | None:
    """Return the bootstrap of an entry with tracing keys, without those of another file."""
    for one, config in effective_configs([document]):
        if one.kind == "proxy-defaults" and read(config.tracer, TRACING).value is not None:
            return bootstrap(config)
    return None
