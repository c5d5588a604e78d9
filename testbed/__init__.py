"""Start and stop real programs (Consul, Envoy, Zipkin, Pulumi, Kubernetes) for the demo, the tests and the benchmarks.

`errors` and `signals` do not import `toolchain`, which uses them.
"""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
"""Root of this repository, the working directory of `python -m testbed.…` and of the Pulumi program."""
