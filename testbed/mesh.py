"""The embedded mesh: services, their sidecars, Consul and Zipkin, all on 127.0.0.1 and all gone afterwards.

with embedded_mesh() as mesh:
    ...                                 # write config entries: the sidecars' bootstrap is made from them
    mesh.start_sidecars()
    mesh.zipkin.wait_until_ready()      # up to here it may still have been starting
    answer = mesh.request("/hello")
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Self

from testbed import CHECKOUT
from testbed.consul import Consul, JsonObject
from testbed.envoy import Envoy
from testbed.http import Answer, accepts_connections, ask
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Programs
from testbed.zipkin import Zipkin


@dataclass(frozen=True)
class Service:
    """A service of the mesh."""

    name: str
    speaks: Literal["http", "tcp", "nothing"] = "http"
    """What its program speaks; "nothing" for a service that only calls others and needs no program."""
    calls: tuple[str, ...] = ()
    """Services that its sidecar opens a local port for. An HTTP service calls the first of them on every request."""


DEMO_SERVICES = (
    Service("client", speaks="nothing", calls=("web",)),
    Service("web", calls=("api",)),
    Service("api"),
)


@dataclass(frozen=True)
class Instance:
    """A service with the ports that it has in one mesh."""

    service: Service
    port: int = field(default_factory=free_port)
    """Where the service itself listens."""
    sidecar_port: int = field(default_factory=free_port)
    """Where its sidecar takes what comes from the mesh."""
    upstream_ports: Mapping[str, int] = field(default_factory=dict)
    """Where its sidecar takes what goes to each service that it calls."""

    @classmethod
    def of(cls, service: Service) -> Self:
        """The service, placed on free ports."""
        return cls(service, upstream_ports={called: free_port() for called in service.calls})

    @property
    def listeners(self) -> int:
        """How many listeners its sidecar has once Consul has told it everything."""
        return 1 + len(self.upstream_ports)

    @property
    def command(self) -> list[str]:
        """What starts its program."""
        calls = [f"--calls={called} --through={port}".split() for called, port in self.upstream_ports.items()]
        arguments = [self.service.speaks, self.service.name, f"--port={self.port}", *(calls[0] if calls else [])]
        return [sys.executable, "-m", "testbed.services", *arguments]

    @property
    def registration(self) -> JsonObject:
        """What Consul is told of it and its sidecar."""
        name = self.service.name
        upstreams = [
            {"DestinationName": called, "LocalBindAddress": LOOPBACK, "LocalBindPort": port}
            for called, port in self.upstream_ports.items()
        ]
        sidecar = {
            "Address": LOOPBACK,
            "Port": self.sidecar_port,
            "Proxy": {"LocalServiceAddress": LOOPBACK, "Upstreams": upstreams},
            # Consul's own check of a sidecar is red for its first ten seconds; this one follows the service.
            "Checks": [{"Name": f"{name} is registered", "AliasService": name}],
        }
        address = {"Address": LOOPBACK, "Port": self.port}
        return {"ID": name, "Name": name, **address, "Connect": {"SidecarService": sidecar}}


class Mesh:
    """A mesh among the programs of a run. Made, all its programs but the sidecars are on their way."""

    def __init__(
        self,
        programs: Programs,
        services: Sequence[Service] = DEMO_SERVICES,
        *,
        consul_hcl: str = "",
        consul_token: str = "",
        envoy_version: str | None = None,
    ) -> None:
        """Start Consul, Zipkin and the services on free ports."""
        self.programs = programs
        self.consul = Consul(programs, hcl=consul_hcl, token=consul_token)
        self.zipkin = Zipkin(programs)
        self.instances = {service.name: Instance.of(service) for service in services}
        self.sidecars: dict[str, Envoy] = {}
        self._envoy_version = envoy_version
        self._service_programs = {
            name: programs.start(name, instance.command, directory=CHECKOUT)
            for name, instance in self.instances.items()
            if instance.service.speaks != "nothing"
        }

    def register_services(self) -> None:
        """Wait for Consul and tell it of the services, of those that have a program when they answer."""
        self.consul.wait_until_ready()
        for name, instance in self.instances.items():
            if name in self._service_programs:
                self._wait_for_service(instance)
            self.consul.register(instance.registration)

    def start_sidecars(self, *names: str) -> None:
        """Start these sidecars, or all, and wait until requests can pass them."""
        for name in names or self.instances:
            if name in self.sidecars:
                self.sidecars[name].start()
            else:
                self.sidecars[name] = self.start_envoy(name, [f"-sidecar-for={name}"])
        for name in names or self.instances:
            self.sidecars[name].wait_until_ready(self.instances[name].listeners)

    def stop_sidecars(self, *names: str) -> None:
        """End these sidecars, or all."""
        self.programs.stop(*(self.sidecars[name].program for name in names or self.sidecars))

    def restart_sidecars(self, *names: str) -> None:
        """Start these sidecars, or all, anew: only so do they read the bootstrap again."""
        self.stop_sidecars(*names)
        self.start_sidecars(*names)

    def start_envoy(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        runtime: Mapping[str, object] | None = None,
        envoy_arguments: Sequence[str] = (),
    ) -> Envoy:
        """Start any proxy that `consul connect envoy` knows, gateways too, and return without waiting for it."""
        return Envoy(
            self.programs,
            self.consul,
            name,
            arguments,
            runtime=runtime,
            envoy_arguments=envoy_arguments,
            version=self._envoy_version,
        )

    def request(
        self, path: str = "/", headers: Mapping[str, str] | None = None, *, caller: str = "client", to: str = "web"
    ) -> Answer:
        """What the caller gets through its sidecar. The service's name is the host asked for: spans are named so."""
        return ask(self.entrance(caller, to), path, headers={"Host": to, **(headers or {})})

    def entrance(self, caller: str = "client", to: str = "web") -> int:
        """The local port on which the caller's sidecar takes what goes to a service."""
        return self.instances[caller].upstream_ports[to]

    def _wait_for_service(self, instance: Instance) -> None:
        name = instance.service.name
        self.programs.wait_until(
            lambda: accepts_connections(instance.port), f"{name} to listen", program=self._service_programs[name]
        )


@contextmanager
def embedded_mesh(
    services: Sequence[Service] = DEMO_SERVICES,
    *,
    consul_hcl: str = "",
    consul_token: str = "",
    envoy_version: str | None = None,
) -> Iterator[Mesh]:
    """A mesh of one's own that is gone after the `with` block: services registered, sidecars not yet started."""
    with Programs() as programs:
        mesh = Mesh(programs, services, consul_hcl=consul_hcl, consul_token=consul_token, envoy_version=envoy_version)
        mesh.register_services()
        yield mesh
