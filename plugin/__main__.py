"""The package for TypeScript, Go, C#, Java and YAML. Pulumi starts it: `python plugin ENGINE_ADDRESS`."""

import sys
from importlib.metadata import version

from host import ComponentHost, serve

from consul_tracing import MeshTracing, ServiceProtocols, ZipkinCollector

if __name__ == "__main__":
    # The engine may add flags, such as --logtostderr.
    address = next(argument for argument in sys.argv[1:] if not argument.startswith("-"))
    serve(ComponentHost([MeshTracing, ServiceProtocols, ZipkinCollector], version("consul-tracing")), address)
