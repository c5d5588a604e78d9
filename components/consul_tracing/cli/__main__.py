"""`python -m consul_tracing.cli`: the command line `consul-tracing`."""

from .app import main

main()
