"""How trace stores and programs that are mistaken for one respond."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from consul_tracing.sources.http import HttpClient, HttpError, Response, port_of, shown_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from urllib.parse import SplitResult

OTLP_PATH = "/v1/traces"
METHOD_NOT_ALLOWED = 405
HTML = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class Program:
    """A path to which a program responds in its own way."""

    path: str
    is_answer: Callable[[Any], bool]
    """Whether the JSON value or the text of a response is the program's."""
    option: str = ""
    """The option that reads this store: `jaeger`."""
    version_path: str = ""
    """The path with its version. Empty if it has none."""
    version_of: Callable[[Any], str] = str
    """Returns the version in the JSON of this path."""
    fix: str = ""
    """The address to use instead. `{origin}` is the address of the server."""

    def matches(self, response: Response) -> bool:
        """Return whether a response is the program's."""
        return response.is_success and self.is_answer(_content(response))


STORES = {
    "Zipkin": Program(
        "/api/v2/services",
        lambda found: isinstance(found, list),
        "zipkin",
        "/info",
        lambda found: str(found["zipkin"]["version"]),
    ),
    "Jaeger": Program("/api/services", lambda found: isinstance(found, dict) and "data" in found, "jaeger"),
    "Tempo": Program(
        "/api/echo",
        lambda found: found == "echo",
        "tempo",
        "/api/status/buildinfo",
        lambda found: str(found["version"]),
    ),
}
"""The stores that can be read."""

OTHERS = {
    "Grafana": Program(
        "/api/health",
        lambda found: isinstance(found, dict) and "database" in found,
        fix="set --store to tempo={origin}/api/datasources/proxy/uid/UID, the UID of its data source",
    ),
    "Elasticsearch or OpenSearch": Program("/", lambda found: isinstance(found, dict) and "cluster_name" in found),
}
"""Other programs, at the root of their server."""

READ = "verify reads Zipkin, Jaeger and Tempo: --store zipkin=URL, jaeger=URL or tempo=URL"

RECEIVERS = {4317: "OTLP/gRPC", 4318: "OTLP/HTTP", 14268: "Jaeger", 14250: "Jaeger"}
"""Ports at which stores and collectors receive spans. Ref: https://www.jaegertracing.io/docs/latest/deployment/"""

QUERY_PORTS = "traces are read at another port, such as 9411 of Zipkin, 16686 of Jaeger or 3200 of Tempo"


def program_at(client: HttpClient, expected: str) -> str:
    """Return the program at an address that is not the expected store, and the fix. Empty if it is not known."""
    origin = replace(client, url=client.url._replace(path=""))
    programs = [(client, *one) for one in STORES.items()] + [(origin, *one) for one in OTHERS.items()]
    answers = _responses([(server, program.path) for server, _, program in programs])
    for (_, name, program), answer in zip(programs, answers, strict=True):
        if name != expected and answer and program.matches(answer):
            fix = f"set --store to {program.option}={client.address}" if program.option else program.fix or READ
            return f"is {name}, not {expected}: {fix.format(origin=shown_url(origin.url))}"
    return ""


def kind_at(client: HttpClient, expected: str) -> str:
    """Return what the server at an address is if its program is not known. Empty if that is not known either."""
    receiver, page = _responses([(client, OTLP_PATH), (client, "")])
    if receiver and receiver.status == METHOD_NOT_ALLOWED:
        return f"is a receiver of OTLP spans, not {expected}: {READ}"
    if page and page.body.lstrip()[: len(HTML[0])].lower().startswith(HTML):
        return f"is a web page, not {expected}: {READ}"
    return ""


def receiver_at(url: SplitResult) -> str:
    """Return a hint if the port of an address is usually one that receives spans. Empty if it is not."""
    protocol = RECEIVERS.get(port_of(url))
    return f"Port {port_of(url)} usually receives spans ({protocol}), and {QUERY_PORTS}" if protocol else ""


def _responses(requests: Sequence[tuple[HttpClient, str]]) -> list[Response | None]:
    """Return the responses to requests that are sent at the same time."""

    def attempt(request: tuple[HttpClient, str]) -> Response | None:
        client, path = request
        try:
            return client.request(path)
        except HttpError:
            return None

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(attempt, requests))


def _content(response: Response) -> Any:  # noqa: ANN401 - any JSON value
    text = response.body.decode(errors="replace").strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
