import time
from email.utils import formatdate

import pytest

from consul_tracing.sources.envoy import admin_client, clock_offset
from tests.unit.http_server import serving


def offset(**headers: str) -> float:
    with serving(lambda *_: (200, b"LIVE"), headers=headers) as address:
        return clock_offset(admin_client(address))


@pytest.mark.parametrize("seconds", [-3600, 0, 180])
def test_clock_of_a_proxy_is_the_date_of_its_admin_interface(seconds: int) -> None:
    assert abs(offset(date=formatdate(time.time() + seconds, usegmt=True)) - seconds) < 1.5


@pytest.mark.parametrize("headers", [{}, {"date": "today"}, {"date": ""}])
def test_admin_interface_without_a_date_has_the_clock_of_this_machine(headers: dict[str, str]) -> None:
    assert offset(**headers) == 0
