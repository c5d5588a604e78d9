import asyncio

import pulumi
import pytest

from tests.unit.mocked_engine import Engine


def test_mocked_run_restores_settings_and_event_loop(engine: Engine) -> None:
    before = (pulumi.get_project(), pulumi.get_stack(), pulumi.runtime.is_dry_run())
    seen: list[tuple[str, str, bool]] = []
    engine.run(
        lambda: seen.append((pulumi.get_project(), pulumi.get_stack(), pulumi.runtime.is_dry_run())), preview=True
    )
    assert seen == [("mesh", "test", True)]
    assert (pulumi.get_project(), pulumi.get_stack(), pulumi.runtime.is_dry_run()) == before
    with pytest.raises(RuntimeError, match="no current event loop"):
        asyncio.get_event_loop()
