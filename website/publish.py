"""Add the site of a release to the branch that is served.

The branch has one directory for each release, `latest` with that of the newest one, and `versions.json`, from which the
site shows the list of versions.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

BRANCH = "gh-pages"
REDIRECT = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=latest/"><title>…</title>\n'


def publish(root: Path, tag: str, remote: str = "origin") -> None:
    """Commit the built site of a release to the branch of a remote, and push it."""
    version = tag.removeprefix("v")
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory) / BRANCH
        address = _output(root, "remote", "get-url", remote)
        _git(Path(directory), "init", "--quiet", f"--initial-branch={BRANCH}", str(tree))
        _git(tree, "remote", "add", "origin", address)
        if _output(tree, "ls-remote", "--heads", "origin", BRANCH):
            _git(tree, "pull", "--quiet", "--depth=1", "origin", BRANCH)
        add_version(tree, root / "site", version)
        _git(tree, "add", "--all")
        author = ("-c", "user.name=consul-tracing", "-c", "user.email=noreply@github.com")
        _git(tree, *author, "commit", "--quiet", "--allow-empty", "--message", f"Documentation of {tag}")
        _git(tree, "push", "--quiet", "origin", BRANCH)


def add_version(tree: Path, site: Path, version: str) -> None:
    """Add or replace the site of a version in the directory that is served."""
    listed = tree / "versions.json"
    known = [one["version"] for one in json.loads(listed.read_text())] if listed.exists() else []
    versions = sorted({*known, version}, key=release, reverse=True)
    newest = versions[0]
    for name in (version, "latest") if version == newest else (version,):
        shutil.rmtree(tree / name, ignore_errors=True)
        shutil.copytree(site, tree / name)
    rows = [{"version": one, "title": one, "aliases": ["latest"] if one == newest else []} for one in versions]
    listed.write_text(json.dumps(rows, indent=2) + "\n")
    shutil.copy(tree / "latest" / "llms.txt", tree / "llms.txt")
    (tree / "index.html").write_text(REDIRECT)
    (tree / ".nojekyll").touch()


def release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, for comparisons: 0.10.0 is newer than 0.9.0."""
    return tuple(map(int, version.split(".")))


def _git(directory: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=directory, check=True)  # noqa: S603, S607 - git of the user


def _output(directory: Path, *arguments: str) -> str:
    return subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607 - git of the user
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
