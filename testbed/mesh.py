"""An embedded mesh on 127.0.0.1: services, sidecars, Consul and Zipkin."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from testbed import CHECKOUT
from testbed.consul import Consul, JsonObject
from testbed.envoy import Envoy
from testbed.http import Response, accepts_connections, send_request
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, Programs
from testbed.services import Propagation
from testbed.zipkin import Zipkin


@dataclass(frozen=True)
class Service:
    """A service of the mesh."""

    name: str
    protocol: Literal["http", "tcp", "none"] = "http"
    """Protocol of its program. "none" for a service that only calls upstreams and has no program."""
    calls: tuple[str, ...] = ()
    """Upstreams of its sidecar. An HTTP service calls the first one on every request."""


DEMO_SERVICES = (
    Service("client", protocol="none", calls=("web",)),
    Service("web", calls=("api",)),
    Service("api"),
)


@dataclass(frozen=True)
class Instance:
    """A service and its ports in one mesh."""

    service: Service
    port: int = field(default_factory=free_port)
    """Port of the service."""
    sidecar_port: int = field(default_factory=free_port)
    """Public port of the sidecar, for requests from the mesh."""
    upstream_ports: Mapping[str, int] = field(default_factory=dict)
    """Local ports of the sidecar by upstream."""

    @classmethod
    def allocate(cls, service: Service) -> Self:
        """Allocate the ports of a service."""
        return cls(service, upstream_ports={called: free_port() for called in service.calls})

    @property
    def listeners(self) -> int:
        """Number of listeners of the configured sidecar."""
        return 1 + len(self.upstream_ports)

    @property
    def command(self) -> list[str]:
        """Command that starts its program."""
        calls = [f"--calls={called} --through={port}".split() for called, port in self.upstream_ports.items()]
        arguments = [self.service.protocol, self.service.name, f"--port={self.port}", *(calls[0] if calls else [])]
        return [sys.executable, "-m", "testbed.services", *arguments]

    @property
    def registration(self) -> JsonObject:
        """Registration of the service and its sidecar in Consul."""
        name = self.service.name
        upstreams = [
            {"DestinationName": called, "LocalBindAddress": LOOPBACK, "LocalBindPort": port}
            for called, port in self.upstream_ports.items()
        ]
        sidecar = {
            "Address": LOOPBACK,
            "Port": self.sidecar_port,
            "Proxy": {"LocalServiceAddress": LOOPBACK, "Upstreams": upstreams},
            # The default check of a sidecar is critical for the first ten seconds. This one follows the service.
            "Checks": [{"Name": f"{name} is registered", "AliasService": name}],
        }
        address = {"Address": LOOPBACK, "Port": self.port}
        return {"ID": name, "Name": name, **address, "Connect": {"SidecarService": sidecar}}


class Mesh:
    """A mesh of the programs of a run."""

    def __init__(self, programs: Programs, services: Sequence[Service] = DEMO_SERVICES) -> None:
        """Start Consul, Zipkin and the services, without sidecars, on free ports."""
        self.programs = programs
        self.consul = Consul(programs)
        self.zipkin = Zipkin(programs)
        self.instances = {service.name: Instance.allocate(service) for service in services}
        self.sidecars: dict[str, Envoy] = {}
        self._service_programs = {
            name: self._start_service(instance)
            for name, instance in self.instances.items()
            if instance.service.protocol != "none"
        }

    def register_services(self) -> None:
        """Wait for Consul and the programs of the services, then register the services."""
        self.consul.wait_until_ready()
        for name, instance in self.instances.items():
            if name in self._service_programs:
                self._wait_for_service(instance)
            self.consul.register(instance.registration)

    def stop_service(self, name: str) -> None:
        """Stop the program of a service. Its sidecar stays."""
        self.programs.stop(self._service_programs[name])

    def restart_service(self, name: str, *options: str, propagate: Propagation = "all") -> None:
        """Restart the program of a service, which then propagates these trace headers, and wait until it listens.

        `options`: further options of `testbed.services`.
        """
        self.stop_service(name)
        self._service_programs[name] = self._start_service(self.instances[name], f"--propagate={propagate}", *options)
        self._wait_for_service(self.instances[name])

    def start_sidecars(self, *names: str) -> None:
        """Start these sidecars, default all, and wait until they are ready."""
        self.launch_sidecars(*names)
        for name in names or self.instances:
            self.sidecars[name].wait_until_ready(self.instances[name].listeners)

    def launch_sidecars(self, *names: str) -> None:
        """Start these sidecars, default all, without waiting."""
        for name in names or self.instances:
            if name in self.sidecars:
                self.sidecars[name].start()
            else:
                self.sidecars[name] = self.start_envoy(name, [f"-sidecar-for={name}"])

    def stop_sidecars(self, *names: str) -> None:
        """Stop these sidecars, default all."""
        self.programs.stop(*(self.sidecars[name].program for name in names or self.sidecars))

    def restart_sidecars(self, *names: str) -> None:
        """Restart these sidecars, default all, so that they read a new bootstrap."""
        self.stop_sidecars(*names)
        self.start_sidecars(*names)

    def start_envoy(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        envoy_arguments: Sequence[str] = (),
        version: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Envoy:
        """Start a proxy of any kind that `consul connect envoy` supports, without waiting for it."""
        return Envoy(
            self.programs,
            self.consul,
            name,
            arguments,
            envoy_arguments=envoy_arguments,
            version=version,
            environment=environment,
        )

    def request(
        self, path: str = "/", headers: Mapping[str, str] | None = None, *, caller: str = "client", to: str = "web"
    ) -> Response:
        """Send a request through the sidecar of the caller. The host is the service name, which Envoy uses in spans."""
        return send_request(self.upstream_port(caller, to), path, headers={"Host": to, **(headers or {})})

    def upstream_port(self, caller: str = "client", to: str = "web") -> int:
        """Return the local port of the caller's sidecar for an upstream."""
        return self.instances[caller].upstream_ports[to]

    def _start_service(self, instance: Instance, *options: str) -> Program:
        return self.programs.start(instance.service.name, [*instance.command, *options], directory=CHECKOUT)

    def _wait_for_service(self, instance: Instance) -> None:
        name = instance.service.name
        self.programs.wait_until(
            lambda: accepts_connections(instance.port), f"{name} to listen", program=self._service_programs[name]
        )
