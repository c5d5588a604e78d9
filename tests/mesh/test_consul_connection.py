"""The command line's connection to Consul, compared with Consul's own command line under the same environment."""

import shutil
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import toolchain
from consul_tracing.errors import CommandError
from consul_tracing.sources.consul import consul_client
from testbed.consul import Consul
from testbed.ports import LOOPBACK, free_port
from testbed.processes import ProgramFailedError, Programs

pytestmark = pytest.mark.mesh

DATACENTERS = "/v1/catalog/datacenters"
Environment = Mapping[str, str]


def run_consul(programs: Programs, environment: Environment) -> None:
    """List the datacenters with Consul's command line. Raises ProgramFailedError."""
    programs.run("consul", [toolchain.program("consul"), "catalog", "datacenters"], environment=environment)


@pytest.fixture(scope="module")
def certificates(programs: Programs) -> Path:
    """A directory with an authority, and certificates of a server and a client, made by Consul."""
    directory = programs.make_directory("certificates")
    for arguments in (["ca", "create"], ["cert", "create", "-server"], ["cert", "create", "-client"]):
        programs.run("consul tls", [toolchain.program("consul"), "tls", *arguments], directory=directory)
    (directory / "authorities").mkdir()
    shutil.copy(directory / "consul-agent-ca.pem", directory / "authorities" / "ca.pem")
    return directory


@pytest.fixture(scope="module")
def place(programs: Programs, certificates: Path) -> Iterator[dict[str, str]]:
    """Placeholders of a Consul that listens with TLS and on a socket, and requires a certificate of its clients."""
    port, socket = free_port(), certificates / "consul.sock"
    consul = Consul(
        programs,
        hcl=f"""
        ports {{ https = {port} }}
        addresses {{ http = "{LOOPBACK} unix://{socket}" }}
        tls {{ https {{ verify_incoming = true }} defaults {{
            ca_file = "{certificates}/consul-agent-ca.pem"
            cert_file = "{certificates}/dc1-server-consul-0.pem"
            key_file = "{certificates}/dc1-server-consul-0-key.pem"
        }} }}
        """,
    )
    consul.wait_until_ready()
    yield {"tls": f"{LOOPBACK}:{port}", "plain": consul.address, "socket": str(socket), "files": str(certificates)}
    consul.stop()


CLIENT = {
    "CONSUL_CLIENT_CERT": "{files}/dc1-client-consul-0.pem",
    "CONSUL_CLIENT_KEY": "{files}/dc1-client-consul-0-key.pem",
}
AUTHORITY = {"CONSUL_CACERT": "{files}/consul-agent-ca.pem"}
TLS = {"CONSUL_HTTP_ADDR": "https://{tls}", **CLIENT, **AUTHORITY}


@pytest.mark.parametrize(
    "environment",
    [
        TLS,
        {**TLS, "CONSUL_HTTP_ADDR": "{tls}", "CONSUL_HTTP_SSL": "true"},
        {**TLS, "CONSUL_HTTP_ADDR": "http://{tls}", "CONSUL_HTTP_SSL": "1"},
        {**CLIENT, "CONSUL_HTTP_ADDR": "https://{tls}", "CONSUL_CAPATH": "{files}/authorities"},
        {**CLIENT, "CONSUL_HTTP_ADDR": "https://{tls}", "CONSUL_HTTP_SSL_VERIFY": "false"},
        {**TLS, "CONSUL_TLS_SERVER_NAME": "server.dc1.consul"},
        {"CONSUL_HTTP_ADDR": "unix://{socket}"},
        {"CONSUL_HTTP_ADDR": "{plain}"},
    ],
)
def test_connection_is_accepted(programs: Programs, place: dict[str, str], environment: Environment) -> None:
    environment = {name: value.format(**place) for name, value in environment.items()}
    run_consul(programs, environment)
    assert consul_client(environment).get(DATACENTERS, list[str]) == ["dc1"]


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({**CLIENT, "CONSUL_HTTP_ADDR": "https://{tls}"}, "certificate verify failed"),
        ({**AUTHORITY, "CONSUL_HTTP_ADDR": "https://{tls}"}, "certificate required"),
        ({**TLS, "CONSUL_TLS_SERVER_NAME": "other.example"}, "certificate is not valid for 'other.example'"),
        ({**TLS, "CONSUL_CLIENT_KEY": ""}, "CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY are required together"),
        ({**TLS, "CONSUL_CLIENT_CERT": ""}, "CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY are required together"),
        (
            {**TLS, "CONSUL_HTTP_ADDR": "tcp://{tls}"},
            'CONSUL_HTTP_ADDR must start with http://, https:// or unix://, got "tcp://"',
        ),
        ({"CONSUL_HTTP_ADDR": "unix://{socket}.absent"}, "Consul at unix://{socket}.absent cannot be read"),
    ],
)
def test_connection_that_consul_refuses_fails_in_one_line(
    programs: Programs, place: dict[str, str], environment: Environment, reason: str
) -> None:
    environment = {name: value.format(**place) for name, value in environment.items()}
    with pytest.raises(ProgramFailedError):
        run_consul(programs, environment)
    with pytest.raises(CommandError) as error:
        consul_client(environment).get(DATACENTERS, list[str])
    assert str(error.value).startswith("consul-tracing: CT601: ")
    assert reason.format(**place) in str(error.value)
    assert "\n" not in str(error.value)


class Handler(BaseHTTPRequestHandler):
    """Records the path and the credentials of each request."""

    requests: list[tuple[str, str | None, str | None]]

    def do_GET(self) -> None:
        self.requests.append((self.path, self.headers.get("X-Consul-Token"), self.headers.get("Authorization")))
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b'["dc1"]')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def recorded() -> Iterator[tuple[str, type[Handler]]]:
    """A server in front of Consul that records requests, and its address."""
    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"{LOOPBACK}:{server.server_port}", Handler
        server.shutdown()


@pytest.mark.parametrize(
    "environment",
    [
        {"CONSUL_HTTP_AUTH": "user:pass:word"},
        {"CONSUL_HTTP_AUTH": "user"},
        {"CONSUL_HTTP_AUTH": ":password"},
        {"CONSUL_HTTP_TOKEN": "from-variable"},
        {"CONSUL_HTTP_TOKEN": "from-variable", "CONSUL_HTTP_TOKEN_FILE": "{files}/token"},
        {"CONSUL_HTTP_TOKEN": "from-variable", "CONSUL_HTTP_TOKEN_FILE": "{files}/empty"},
        {"CONSUL_NAMESPACE": "team", "CONSUL_PARTITION": "east"},
        {"CONSUL_HTTP_ADDR": "http://{address}/behind/proxy"},
    ],
)
def test_credentials_and_scope_are_those_of_consul(
    programs: Programs, tmp_path: Path, recorded: tuple[str, type[Handler]], environment: Environment
) -> None:
    address, handler = recorded
    handler.requests = []
    (tmp_path / "token").write_text(" from-file\n")
    (tmp_path / "empty").write_text("\n")
    given = {"CONSUL_HTTP_ADDR": "{address}", **environment}
    given = {name: value.format(address=address, files=tmp_path) for name, value in given.items()}
    run_consul(programs, given)
    consul_client(given).get(DATACENTERS, list[str])
    consul, ours = handler.requests
    assert ours == consul
