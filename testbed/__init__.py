"""The testbed: real programs (Consul, Envoy, Zipkin, Pulumi, Kubernetes) for the demo, the tests and the benchmarks.

Nothing here is part of the package that users install. `processes`, `guardian`, `sessions` and `errors` import nothing
of `toolchain`, which uses them for its own builds.
"""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
"""The root of this repository: `python -m testbed.…` and this project's Pulumi program run there."""
