"""How to reach Consul: the provider's configuration, then the environment variables of Consul's own programs."""

import json
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

ENVIRONMENT_NAMES: Mapping[str, tuple[str, ...]] = {
    "address": ("CONSUL_ADDRESS", "CONSUL_HTTP_ADDR"),
    "scheme": ("CONSUL_SCHEME", "CONSUL_HTTP_SCHEME"),
    "token": ("CONSUL_TOKEN", "CONSUL_HTTP_TOKEN"),
    "httpAuth": ("CONSUL_HTTP_AUTH",),
    "caFile": ("CONSUL_CA_FILE", "CONSUL_CACERT"),
    "caPath": ("CONSUL_CAPATH",),
    "certFile": ("CONSUL_CERT_FILE", "CONSUL_CLIENT_CERT"),
    "keyFile": ("CONSUL_KEY_FILE", "CONSUL_CLIENT_KEY"),
    "namespace": ("CONSUL_NAMESPACE",),
    "partition": ("CONSUL_PARTITION",),
}
"""Where each setting comes from when the provider's configuration does not name it; the first that is set counts."""

LOGINS_OF_THE_OFFICIAL_PLUGIN = ("authJwt", "authLoginAws")


class UnusableSettings(ValueError):
    """Consul cannot be reached with this configuration; the text says why and holds no secret."""


@dataclass(frozen=True)
class ConsulSettings:
    """An agent's HTTP API, and who is asking."""

    host: str = "localhost:8500"
    path_prefix: str = ""
    scheme: str = "http"
    datacenter: str = ""
    namespace: str = ""
    partition: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request. The token is among them, so no message may show them."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def origin(self) -> str:
        """Return where requests go, as error messages name it."""
        return f"{self.scheme}://{self.host}{self.path_prefix}"


def consul_settings(configuration: Mapping[str, Any], environment: Mapping[str, str]) -> ConsulSettings:
    """Merge the provider's configuration with the environment, which counts where the configuration is silent."""
    refuse_logins(configuration)
    named = {
        name: str(configuration.get(name) or first_set(environment, variables) or "")
        for name, variables in ENVIRONMENT_NAMES.items()
    }
    scheme, host, path_prefix = parsed_address(
        named["address"] or ConsulSettings.host, chosen_scheme(named, environment)
    )
    return ConsulSettings(
        host=host,
        path_prefix=path_prefix,
        scheme=scheme,
        datacenter=str(configuration.get("datacenter") or ""),
        namespace=named["namespace"],
        partition=named["partition"],
        headers=request_headers(named, configuration.get("headers")),
        tls=tls_context({**configuration, **named}, scheme, environment),
    )


def refuse_logins(configuration: Mapping[str, Any]) -> None:
    """Refuse the ways to log in that only the official plugin has."""
    for login in LOGINS_OF_THE_OFFICIAL_PLUGIN:
        if configuration.get(login):
            raise UnusableSettings(
                f"{login} is not served by this stand-in for pulumi-resource-consul; give a token, "
                "or install the official plugin"
            )


def first_set(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """Return the first of these variables that is set to something."""
    return next((environment[name] for name in names if environment.get(name)), None)


def chosen_scheme(named: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """Return `https` when asked for by name or by `CONSUL_HTTP_SSL`."""
    by_default = "https" if says_yes(environment.get("CONSUL_HTTP_SSL")) else "http"
    return named["scheme"] or by_default


def says_yes(word: object) -> bool:
    """Tell whether a switch is on; a word that is no truth value is passed over, as Consul's client does."""
    return str(word).casefold() in {"1", "t", "true"}


def says_no(word: object) -> bool:
    """Tell whether a switch is off, on purpose."""
    return str(word).casefold() in {"0", "f", "false"}


def parsed_address(address: str, scheme: str) -> tuple[str, str, str]:
    """Split `[scheme://]host:port[/prefix]`; a scheme within the address counts when it is `https`."""
    before, separator, rest = address.rpartition("://")
    if separator and before not in {"http", "https"}:
        raise UnusableSettings(f'address "{address}": this stand-in speaks http and https, not {before}')
    host, slash, prefix = rest.partition("/")
    return ("https" if before == "https" else scheme), host, (slash + prefix).rstrip("/")


def request_headers(named: Mapping[str, str], further: Any) -> dict[str, str]:  # noqa: ANN401 - JSON of any type
    """Return the headers of every request: who asks, and what the user adds."""
    headers = {header["name"]: header["value"] for header in decoded(further) or ()}
    if named["httpAuth"]:
        credentials = named["httpAuth"] if ":" in named["httpAuth"] else f"{named['httpAuth']}:"
        headers["Authorization"] = f"Basic {b64encode(credentials.encode()).decode()}"
    if named["token"]:
        headers["X-Consul-Token"] = named["token"]
    return headers


def decoded(value: Any) -> Any:  # noqa: ANN401 - JSON of any type
    """Return a structured setting; Pulumi's SDKs send those as JSON text."""
    return json.loads(value) if isinstance(value, str) and value else value


def tls_context(configuration: Mapping[str, Any], scheme: str, environment: Mapping[str, str]) -> ssl.SSLContext | None:
    """Return how to verify Consul and show our own certificate; None for plain HTTP."""
    insecure = says_yes(configuration.get("insecureHttps"))
    if scheme != "https":
        if insecure:
            raise UnusableSettings("insecure_https is meant to be used when scheme is https")
        return None
    try:
        context = ssl.create_default_context(
            cafile=configuration.get("caFile") or None,
            capath=configuration.get("caPath") or None,
            cadata=configuration.get("caPem") or None,
        )
        show_certificate(context, configuration)
    except (OSError, ValueError) as unusable:
        raise UnusableSettings(f"failed to create http client: {unusable}") from None
    if insecure or says_no(environment.get("CONSUL_HTTP_SSL_VERIFY")):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def show_certificate(context: ssl.SSLContext, configuration: Mapping[str, Any]) -> None:
    """Load the client's certificate and key, from their files or from the text itself."""
    if configuration.get("certPem"):
        # OpenSSL reads a certificate from a file only; this one is for its owner's eyes and gone at once.
        with NamedTemporaryFile("w", suffix=".pem") as pair:
            pair.write(f"{configuration['certPem']}\n{key_text(configuration)}\n")
            pair.flush()
            context.load_cert_chain(pair.name)
    elif configuration.get("certFile"):
        context.load_cert_chain(configuration["certFile"], configuration.get("keyFile") or None)


def key_text(configuration: Mapping[str, Any]) -> str:
    """Return the private key's text."""
    return str(configuration.get("keyPem") or Path(str(configuration["keyFile"])).read_text(encoding="ascii"))
