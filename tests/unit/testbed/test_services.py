import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer

import pytest

from testbed.http import request_json
from testbed.ports import free_port
from testbed.services import PROPAGATED, TRACE_HEADERS, HttpService, Propagation, Upstream


@contextmanager
def serving(service: BaseServer) -> Iterator[None]:
    with service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        yield
        service.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("w3c", {"traceparent", "tracestate"}),
        ("b3", {"x-b3-flags", "x-b3-parentspanid", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid"}),
        ("none", set()),
    ],
)
def test_kind_of_application_forwards_its_trace_headers_only(kind: Propagation, expected: set[str]) -> None:
    web, api = free_port(), free_port()
    upstream = Upstream("api", api, PROPAGATED[kind])
    with serving(HttpService("api", api, None)), serving(HttpService("web", web, upstream)):
        headers = request_json(web, "/", headers=dict.fromkeys(TRACE_HEADERS, "abc"))["upstream"]["headers"]
    assert headers.keys() & set(TRACE_HEADERS) == expected
