"""Overhead of the component, as ratios to the same entries written by hand."""

from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent
"""Directory of the two Pulumi programs."""

BY_HAND = "by_hand"
"""Directory of the program that uses `pulumi_consul` only."""

BY_COMPONENT = "by_component"
"""Directory of the program that uses `MeshTracing`."""
