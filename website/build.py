"""Build the site into site/."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import ROOT
from .llms import llms_txt
from .navigation import navigation_problems, page_files, read_site

BUILD = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
COLOR = re.compile(r"\x1b\[[\d;]*m")


def build(root: Path) -> list[str]:
    """Build the site of a checkout, and add llms.txt and the Markdown of the pages.

    Returns the problems: differences between navigation and files, and what Zensical reports, such as broken links.
    """
    site, files = read_site(root), page_files(root)
    problems = navigation_problems(site, files) or _run(root)
    if not problems:
        target = root / "site"
        for page in files:
            (target / page).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / "docs" / page, target / page)
        (target / "llms.txt").write_text(llms_txt(site, root / "docs"))
    return problems


def _run(root: Path) -> list[str]:
    """Run Zensical. Returns its errors and warnings without colors, and without the traceback of its command."""
    shutil.rmtree(root / "site", ignore_errors=True)
    # The configuration names an extension of this project.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(BUILD, cwd=root, check=False, env=environment, stderr=subprocess.PIPE, text=True)  # noqa: S603 - constant arguments
    if ended.returncode == 0:
        return []
    report, _, traceback = COLOR.sub("", ended.stderr).partition("Traceback (most recent call last)")
    return [report.strip() or traceback.strip()]
