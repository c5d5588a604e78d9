"""Envoy's messages: the names, types and constraints of their fields, and the reader of values of a message."""
