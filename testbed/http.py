"""HTTP requests to programs on this machine, without the proxies of the environment."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from testbed.errors import OperationalError
from testbed.ports import LOOPBACK

SECONDS = 10.0
"""Timeout of a request."""


class RequestError(OperationalError):
    """A request failed or its response is not the expected one."""


@dataclass(frozen=True)
class Response:
    """An HTTP response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Decode the body as JSON."""
        return json.loads(self.body)


def send_request(
    port: int, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Response:
    """Send a request and return the response, regardless of its status. Raises `RequestError` without a response."""
    connection = HTTPConnection(LOOPBACK, port, timeout=SECONDS)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, names, response.read())
    except (OSError, HTTPException) as error:
        raise RequestError(f"{method} {url(port, path)}: {error or type(error).__name__}") from error
    finally:
        connection.close()


def request_json(
    port: int, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: object = None
) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Send and receive JSON. Raises `RequestError` with the text of the response unless the status is 2xx."""
    encoded = None if body is None else json.dumps(body).encode()
    response = send_request(port, path, method=method, headers=headers, body=encoded)
    if response.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise RequestError(f"{method} {url(port, path)}: {response.status} {response.text.strip()}")
    return response.json() if response.body.strip() else None


def url(port: int, path: str = "") -> str:
    """Return the URL of a port on this machine."""
    return f"http://{LOOPBACK}:{port}{path}"


def accepts_connections(port: int) -> bool:
    """Whether a program listens on this port."""
    with socket.socket() as probe:
        probe.settimeout(SECONDS)
        return probe.connect_ex((LOOPBACK, port)) == 0
