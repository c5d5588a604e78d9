"""Inputs: argument types, validated settings and warnings."""
