"""Readers of Consul, Envoy and trace stores."""
