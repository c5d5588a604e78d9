"""What the component costs against the same entries written by hand: ratios, both sides measured in one run."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
"""Where the two programs stand, each in a folder of its own."""

BY_HAND = "by_hand"
"""The program that writes its entries with `pulumi_consul` alone."""

BY_COMPONENT = "by_component"
"""The program that leaves them to `MeshTracing`."""
