"""The site of each release is added to the branch that is served."""

import json
import subprocess
from pathlib import Path

from website.publish import BRANCH, add_version, publish


def git(directory: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout


def checkout(directory: Path) -> Path:
    """Create a remote, and a checkout with a built site."""
    git(directory, "init", "--quiet", "--bare", "remote.git")
    git(directory, "clone", "--quiet", "remote.git", "checkout")
    build(directory / "checkout" / "site", "first")
    return directory / "checkout"


def build(site: Path, text: str) -> None:
    site.mkdir(exist_ok=True)
    (site / "index.html").write_text(text)
    (site / "llms.txt").write_text(text)


def published(root: Path, file: str) -> str:
    return git(root.parent / "remote.git", "show", f"{BRANCH}:{file}")


def test_each_release_is_kept_and_the_newest_is_the_latest(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    for tag, text in [("v0.9.0", "nine"), ("v0.10.0", "ten"), ("v0.9.1", "nine again")]:
        build(root / "site", text)
        publish(root, tag)
    assert published(root, "0.9.0/index.html") == "nine"
    assert published(root, "0.9.1/index.html") == "nine again"
    assert published(root, "latest/index.html") == published(root, "llms.txt") == "ten"
    assert json.loads(published(root, "versions.json")) == [
        {"version": "0.10.0", "title": "0.10.0", "aliases": ["latest"]},
        {"version": "0.9.1", "title": "0.9.1", "aliases": []},
        {"version": "0.9.0", "title": "0.9.0", "aliases": []},
    ]
    assert "url=latest/" in published(root, "index.html")


def test_checkout_is_not_changed(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    publish(root, "v0.1.0")
    assert git(root, "branch", "--all") == ""


def test_page_of_a_former_build_is_removed(tmp_path: Path) -> None:
    build(tmp_path / "site", "one")
    (tmp_path / "site" / "old.html").touch()
    add_version(tmp_path, tmp_path / "site", "0.1.0")
    (tmp_path / "site" / "old.html").unlink()
    add_version(tmp_path, tmp_path / "site", "0.1.0")
    assert not (tmp_path / "0.1.0" / "old.html").exists()
    assert not (tmp_path / "latest" / "old.html").exists()
