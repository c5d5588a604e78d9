"""Readers of files with entries, with positions."""
