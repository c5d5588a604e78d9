"""Asking programs on this machine over HTTP, with the proxy settings of the environment left out."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from testbed.errors import Failure
from testbed.ports import LOOPBACK

SECONDS = 10.0
"""How long an answer may take."""


class NotAnswered(Failure):
    """Nothing listens, or the answer is not the one that was asked for."""


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """The body as JSON."""
        return json.loads(self.body)


def ask(
    port: int, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """One request, whatever the status of its answer; `NotAnswered` when there is none."""
    connection = HTTPConnection(LOOPBACK, port, timeout=SECONDS)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    except (OSError, HTTPException) as error:
        raise NotAnswered(f"{method} {url(port, path)}: {error or type(error).__name__}") from error
    finally:
        connection.close()


def ask_json(
    port: int, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: object = None
) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Send and receive JSON; `NotAnswered`, with the other side's own words, unless the answer is 2xx."""
    sent = None if body is None else json.dumps(body).encode()
    answer = ask(port, path, method=method, headers=headers, body=sent)
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise NotAnswered(f"{method} {url(port, path)}: {answer.status} {answer.text.strip()}")
    return answer.json() if answer.body.strip() else None


def url(port: int, path: str = "") -> str:
    """The address of something on this machine."""
    return f"http://{LOOPBACK}:{port}{path}"


def accepts_connections(port: int) -> bool:
    """Whether something listens on this port."""
    with socket.socket() as probe:
        probe.settimeout(SECONDS)
        return probe.connect_ex((LOOPBACK, port)) == 0
