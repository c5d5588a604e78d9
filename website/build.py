"""Build the site into site/."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .llms import llms_txt
from .navigation import navigation_problems, page_files, read_site

BUILD = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]


def build(root: Path) -> list[str]:
    """Build the site of a checkout, and add llms.txt and the Markdown of the pages.

    Returns the differences between navigation and files, which Zensical does not report. It checks links and anchors.
    """
    site, files = read_site(root), page_files(root)
    problems = navigation_problems(site, files)
    if problems:
        return problems
    shutil.rmtree(root / "site", ignore_errors=True)
    subprocess.run(BUILD, cwd=root, check=True, env={**os.environ, "NO_COLOR": "1"})  # noqa: S603 - constant arguments
    target = root / "site"
    for page in files:
        (target / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "docs" / page, target / page)
    (target / "llms.txt").write_text(llms_txt(site, root / "docs"))
    return []
