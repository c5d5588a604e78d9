"""consul-k8s custom resources on Kubernetes."""
