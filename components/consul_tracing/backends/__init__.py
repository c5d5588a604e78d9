"""Where entries are written: Consul's HTTP API or Kubernetes."""
