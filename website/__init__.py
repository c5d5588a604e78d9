"""The documentation site: built from docs/ by Zensical, with an index for language models, and published by release."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
