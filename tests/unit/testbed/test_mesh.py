from testbed.mesh import Instance, Service


def test_service_sidecar_and_upstreams_listen_on_loopback() -> None:
    registration = Instance.allocate(Service("web", calls=("api",))).registration
    sidecar = registration["Connect"]["SidecarService"]
    upstreams = sidecar["Proxy"]["Upstreams"]
    addresses = [registration["Address"], sidecar["Address"], *(upstream["LocalBindAddress"] for upstream in upstreams)]
    assert addresses == ["127.0.0.1"] * 3


def test_service_calls_its_first_upstream_through_its_sidecar() -> None:
    instance = Instance.allocate(Service("web", calls=("api", "database")))
    assert instance.command[3:] == [
        "http",
        "web",
        f"--port={instance.port}",
        "--calls=api",
        f"--through={instance.upstream_ports['api']}",
    ]


def test_two_meshes_have_different_ports() -> None:
    service = Service("web", calls=("api",))
    first, second = Instance.allocate(service), Instance.allocate(service)
    ports = [{each.port, each.sidecar_port, *each.upstream_ports.values()} for each in (first, second)]
    assert not ports[0] & ports[1]


def test_ready_sidecar_has_one_listener_for_the_service_and_one_per_upstream() -> None:
    assert Instance.allocate(Service("web", calls=("api", "database"))).listeners == 3
