from testbed.mesh import Instance, Service


def test_everything_that_listens_for_a_service_listens_on_loopback() -> None:
    registration = Instance.allocate(Service("web", calls=("api",))).registration
    sidecar = registration["Connect"]["SidecarService"]
    upstreams = sidecar["Proxy"]["Upstreams"]
    addresses = [registration["Address"], sidecar["Address"], *(upstream["LocalBindAddress"] for upstream in upstreams)]
    assert addresses == ["127.0.0.1"] * 3


def test_a_service_calls_the_first_of_its_upstreams_through_its_sidecar() -> None:
    instance = Instance.allocate(Service("web", calls=("api", "database")))
    assert instance.command[3:] == [
        "http",
        "web",
        f"--port={instance.port}",
        "--calls=api",
        f"--through={instance.upstream_ports['api']}",
    ]


def test_two_meshes_share_no_port() -> None:
    service = Service("web", calls=("api",))
    first, second = Instance.allocate(service), Instance.allocate(service)
    ports = [{each.port, each.sidecar_port, *each.upstream_ports.values()} for each in (first, second)]
    assert not ports[0] & ports[1]


def test_a_sidecar_is_ready_with_one_listener_for_itself_and_one_for_each_upstream() -> None:
    assert Instance.allocate(Service("web", calls=("api", "database"))).listeners == 3
