"""The embedded mesh: a real Consul, real sidecars and a real Zipkin, for `make demo` and for the tests on a real mesh.

Nothing here is part of the package that users install.
"""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
"""Where this project stands: `python -m demo.…` runs there, and so does its Pulumi program."""
