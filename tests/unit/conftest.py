import asyncio
import os

import hypothesis
import pytest

from tests.unit.mocked_engine import Engine

# The same examples in every run, so that a run does not fail by chance. `make test-explore` searches for new ones.
# A busy machine would exceed the default deadline of 200 ms per example, and the time for the generation of examples.
BUSY = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("fixed", derandomize=True, database=None, **BUSY)
hypothesis.settings.register_profile("explore", max_examples=2_000, print_blob=True, **BUSY)
hypothesis.settings.load_profile("explore" if os.environ.get("CONSUL_TRACING_EXPLORE") else "fixed")

# As in Python 3.14, creating an Output without an event loop fails, also at import time.
asyncio.set_event_loop(None)


@pytest.fixture
def engine() -> Engine:
    return Engine()
