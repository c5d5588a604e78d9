"""Kubernetes manifests of a Zipkin collector."""
