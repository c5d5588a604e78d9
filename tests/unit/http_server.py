"""An HTTP server on a free port of 127.0.0.1, whose responses a test computes."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Headers = Mapping[str, str]
Answer = Callable[[str, Headers], tuple[int, object]]
"""Returns the status and the body for a path with its query and the headers in lower case. Bytes are sent as they are,
another value as JSON."""


@contextmanager
def serving(answer: Answer, *, keep_alive: bool = False, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start a server and yield its address, `127.0.0.1:PORT`. `headers`: additional headers of each response."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if keep_alive else "HTTP/1.0"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, content = answer(self.path, {name.lower(): value for name, value in self.headers.items()})
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response_only(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
