from testbed.mesh import Instance, Service


def test_service_sidecar_and_upstreams_listen_on_loopback() -> None:
    registration = Instance.allocate(Service("web", calls=("api",))).registration
    sidecar = registration["Connect"]["SidecarService"]
    upstreams = sidecar["Proxy"]["Upstreams"]
    addresses = [registration["Address"], sidecar["Address"], *(upstream["LocalBindAddress"] for upstream in upstreams)]
    assert addresses == ["127.0.0.1"] * 3
