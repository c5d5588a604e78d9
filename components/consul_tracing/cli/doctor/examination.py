"""The sections of the page: what the other commands report, each also if another one fails."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from io import StringIO
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from rich.console import Console

from consul_tracing.cli.command import COULD_NOT_RUN, FINDINGS
from consul_tracing.cli.lint import report as lint_report
from consul_tracing.cli.lint.linting import lint
from consul_tracing.cli.stale.listing import exit_code, lines
from consul_tracing.cli.stale.report import report_of
from consul_tracing.cli.verify.report import as_json, print_text
from consul_tracing.cli.verify.verification import verify
from consul_tracing.errors import CommandError
from consul_tracing.names import JsonObject
from consul_tracing.severities import Severity
from consul_tracing.sources.consul import consul_client
from consul_tracing.sources.envoy import envoy_version, read_each
from consul_tracing.sources.http import HttpClient, ServerError, one_line, parsed_url
from consul_tracing.sources.proxies import Selection, find_targets

from .page import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from consul_tracing.cli.verify.verification import Plan
    from consul_tracing.sources.proxies import Targets
    from consul_tracing.sources.stores.client import StoreClient

WIDTH = 160

NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Examination:
    """What to examine."""

    proxies: Selection
    store: StoreClient | None = None
    plan: Callable[[Selection], Plan] | None = None
    """Returns the plan of `verify` with the proxies. None without a request."""
    ignored: Collection[str] = ()
    """Codes of `lint` to ignore."""

    def sections(self) -> list[Section]:
        """Return the sections in the order of the page."""
        kubernetes = self.proxies.kubernetes
        has_consul = not kubernetes or "CONSUL_HTTP_ADDR" in os.environ
        return [
            examined("Versions", self.versions),
            examined("Entries in Consul", lambda: self.entries(kubernetes=False))
            if has_consul
            else Section("Entries in Consul", reason="CONSUL_HTTP_ADDR is not set"),
            examined("Entries in Kubernetes", lambda: self.entries(kubernetes=True))
            if kubernetes
            else Section("Entries in Kubernetes", reason="--kubernetes is not set"),
            examined("Proxies", self.stale)
            if self.proxies
            else Section("Proxies", reason="none of --admin, --agent and --kubernetes is set"),
            examined("Traces", self.traces) if self.plan else Section("Traces", reason="URL and --store are not set"),
        ]

    @cached_property
    def targets(self) -> Targets:
        """The selected proxies. Raises CommandError."""
        return find_targets(self.proxies)

    def versions(self) -> Section:
        """Return the versions of the programs. One that is not known is no finding."""
        programs = {"consul-tracing": version("consul-tracing"), "Consul": attempted(_consul_version)}
        if store := self.store:
            programs[f"{store.program} at {store.address}"] = attempted(store.version)
        try:
            admins = self.targets.admins
        except CommandError:
            # The section of the proxies has the reason.
            admins = []
        envoys: dict[str, list[str]] = defaultdict(list)
        for address, found in read_each(admins, envoy_version).items():
            envoys[NOT_KNOWN if isinstance(found, ServerError) else found].append(address)
        shown = [f"{name}: {found}" for name, found in programs.items()]
        shown += [f"Envoy: {found} ({', '.join(addresses)})" for found, addresses in sorted(envoys.items())]
        return Section("", lines=shown, report={**programs, "Envoy": envoys})

    def entries(self, *, kubernetes: bool) -> Section:
        """Return the findings of `lint` in Consul, or in a cluster."""
        backends = {"consul": not kubernetes, "kubernetes": kubernetes}
        checked = lint({}, None, self.ignored, fix=False, namespace=None, envoy=None, **backends)
        found = any(one.severity in {Severity.ERROR, Severity.WARNING} for one in checked.findings)
        text = [line.plain for line in lint_report.as_text(checked)]
        return Section("", FINDINGS if found else 0, text, report=json.loads(lint_report.as_json(checked)))

    def stale(self) -> Section:
        """Return the report of `stale`."""
        report = report_of(self.targets, consul_client())
        section = Section("", lines=[*lines(report)], report=report.as_json())
        try:
            return replace(section, exit_code=exit_code(report))
        except CommandError as error:
            return replace(section, exit_code=COULD_NOT_RUN, reason=error.reason)

    def traces(self) -> Section:
        """Return the report of `verify`, also if the proxies cannot be found."""
        assert self.plan  # noqa: S101 - for the type checker
        try:
            plan = self.plan(self.proxies)
        except CommandError as error:
            plan = replace(self.plan(Selection()), notes=[error.reason])
        result, written = verify(plan), StringIO()
        print_text(result, Console(file=written, width=WIDTH))
        found = 0 if result.trace.is_complete else FINDINGS
        return Section("", found, written.getvalue().splitlines(), report=json.loads(as_json(result)))


def examined(title: str, examine: Callable[[], Section]) -> Section:
    """Return a section, or the reason why it has no report."""
    try:
        return replace(examine(), title=title)
    except CommandError as error:
        return Section(title, COULD_NOT_RUN, reason=error.reason)
    except Exception as error:  # noqa: BLE001 - the other sections do not depend on it
        return Section(title, COULD_NOT_RUN, reason=one_line(f"{type(error).__name__}: {error}"))


def attempted(read: Callable[[], str]) -> str:
    """Return a version, or the reason why it is not known."""
    try:
        return read()
    except CommandError as error:
        return f"{NOT_KNOWN}: {error.reason}"


def _consul_version() -> str:
    consul = consul_client()
    agent = consul.get("/v1/agent/self", JsonObject) or {}
    with consul.expected_shape():
        return str(agent["Config"]["Version"])


def secrets_of(url: str, headers: Mapping[str, str], store: StoreClient | None) -> Collection[str]:
    """Return the values that are secrets: of the request, of Consul and of the store. Raises CommandError."""
    request = [HttpClient(url=parsed_url(url), headers=headers)] if url else []
    try:
        clients = [*request, consul_client(), *([store] if store else [])]
    except CommandError:
        # The sections of Consul have the reason.
        clients = [*request, *([store] if store else [])]
    queries = [value for client in request for _, value in parse_qsl(client.url.query)]
    password = os.environ.get("CONSUL_HTTP_AUTH", "").partition(":")[2]
    return {*queries, password, *(secret for client in clients for secret in client.secrets)}
