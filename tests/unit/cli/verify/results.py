"""Results of `verify` for the tests of its outputs."""

from typing import Any

from consul_tracing.cli.verify.evidence import Cause
from consul_tracing.cli.verify.report import Result
from tests.unit.cli.verify.facts import SPANS, trace

STARTED = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z in microseconds."""

REJECTED = Cause("CT404", "api (127.0.0.1:19002)", "the collector responds with status 404", "correct the path")


def complete(**changes: Any) -> Result:
    return Result(trace(*SPANS, started=STARTED, seconds=0.6), complete=1, **changes)


def incomplete(*causes: Cause, **changes: Any) -> Result:
    return Result(trace(*SPANS[:3], started=STARTED, seconds=0.4), causes=causes or (REJECTED,), **changes)
