import asyncio

import pytest

from tests.unit.mocked_engine import Engine

# As in Python 3.14, creating an Output without an event loop fails, also at import time.
asyncio.set_event_loop(None)


@pytest.fixture
def engine() -> Engine:
    return Engine()
