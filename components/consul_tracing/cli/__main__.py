"""`python -m consul_tracing.cli`: the command line `consul-tracing`."""

from . import main

main()
