"""Validation of entries by an Envoy (`--with-envoy`): with a bootstrap that contains their tracing keys only."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from consul_tracing.envoy import TYPE
from consul_tracing.envoy_messages.messages import HTTP_CONNECTION_MANAGER
from consul_tracing.errors import CommandError, format_value
from consul_tracing.files.values import expressions
from consul_tracing.inputs.static_clusters import RESERVED_CLUSTERS
from consul_tracing.lint.credentials import credential_issues
from consul_tracing.lint.findings import Issue
from consul_tracing.lint.proxy_config import UNKNOWN, ProxyConfig
from consul_tracing.lint.rules import effective_configs, located

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.files.document import Document
    from consul_tracing.lint.findings import Finding
    from consul_tracing.names import JsonObject

TIMEOUT_SECONDS = 30
MAX_LENGTH = 400
"""Characters of Envoy's message that a finding shows."""

REJECTED = re.compile(r"error initializing configuration '[^']*':\s*(.*)", re.DOTALL)
DUMP = re.compile(r"\s*goo\.gle/debug.*?(?=Proto constraint validation failed|\Z)|: \{\"node.*", re.DOTALL)
"""The configuration, which precedes or follows the reason."""

MISSING_FILE = re.compile(r"Invalid path: |[Uu]nable to read file: |file .* does not exist")


def executable(path: str) -> str:
    """Return the path of an Envoy. Raises CommandError."""
    if not (found := shutil.which(path)):
        raise CommandError(f"--with-envoy must be an executable, got {format_value(path)}")
    return found


def validated(documents: Sequence[Document], envoy: str) -> Iterator[Finding]:
    """Yield the entries of a mesh that Envoy rejects. Raises CommandError if it cannot decide."""
    for document, config in effective_configs(documents):
        content = bootstrap(config)
        if content and (reason := rejection(content, envoy)):
            has_credential = any(credential_issues(content))
            shown = "the reason is not shown, because the entry contains a credential" if has_credential else reason
            if MISSING_FILE.search(reason):
                yield located(document, Issue("CT330", ("Config",), f"is not validated by Envoy: {shown}"))
            else:
                yield located(document, Issue("CT349", ("Config",), f"is rejected by Envoy: {shown}"))


def bootstrap(config: ProxyConfig) -> JsonObject | None:
    """Return the bootstrap of a proxy with an HTTP listener. None without tracing keys, or if one is not known."""
    keys = (config.tracer, config.listener, config.clusters)
    if keys == (None, None, None) or any(key is UNKNOWN or any(expressions(key)) for key in keys):
        return None
    # Consul sets random_sampling to 0 % if the key is not set.
    tracing = {name: value for name, value in (config.listener or {"random_sampling": {}}).items() if name != "@type"}
    router = {"name": "router", "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.http.router.v3.Router"}}
    manager = {
        "@type": f"{TYPE}{HTTP_CONNECTION_MANAGER}",
        "stat_prefix": "lint",
        "route_config": {},
        "http_filters": [router],
        "tracing": tracing,
    }
    listener = {
        "name": "lint",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    clusters = [{"name": name, "type": "STATIC"} for name in sorted(RESERVED_CLUSTERS)]
    return {
        "node": {"id": "lint", "cluster": "lint"},
        "static_resources": {"clusters": [*clusters, *(config.clusters or [])], "listeners": [listener]},
        **({} if config.tracer is None else {"tracing": config.tracer}),
    }


def rejection(content: JsonObject, envoy: str) -> str:
    """Return why Envoy rejects a bootstrap. Empty if it accepts it. Raises CommandError."""
    with TemporaryDirectory() as directory:
        file = Path(directory, "bootstrap.json")
        file.write_text(json.dumps(content))
        command = [envoy, "--mode", "validate", "--log-level", "critical", "--config-path", str(file)]
        try:
            done = subprocess.run(  # noqa: S603 - the program that the user names
                command, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise CommandError(f"{envoy} did not validate within {TIMEOUT_SECONDS} seconds") from None
        except OSError as error:
            raise CommandError(f"{envoy} cannot be started: {error.strerror}") from None
    output = f"{done.stderr.decode(errors='replace')}\n{done.stdout.decode(errors='replace')}"
    if done.returncode == 0 and f"'{file}' OK" in output:
        return ""
    if done.returncode < 0:
        return f"it ends with {signal.Signals(-done.returncode).name}"
    if found := REJECTED.search(output):
        words = " ".join(DUMP.sub("", found[1]).split())
        return words if len(words) <= MAX_LENGTH else f"{words[:MAX_LENGTH]}…"
    raise CommandError(f"{envoy} --mode validate did not report a result: exit code {done.returncode}")
