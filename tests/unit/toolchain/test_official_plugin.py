import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.toolchain.scripted import Script, put_on_path, put_stand_in_into_cache
from toolchain import consul_plugin
from toolchain.on_path import NeverFromPath
from toolchain.programs import CONSUL_PLUGIN
from toolchain.provision import Program
from toolchain.sources import PulumiPlugin
from toolchain.stand_in import HOURS_BETWEEN_ATTEMPTS

INSTALLS = """#!/bin/sh
echo "$*" >> {attempts}
folder="$PULUMI_HOME/plugins/resource-consul-v$5"
/bin/mkdir -p "$folder" && /bin/cp "$0" "$folder/pulumi-resource-consul"
"""
FAILS = """#!/bin/sh
echo "$*" >> {attempts}
echo "no such host" >&2
exit 255
"""
HANGS = """#!/bin/sh
echo "$*" >> {attempts}
exec /bin/sleep 60
"""


@pytest.fixture
def attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that the fake Pulumi adds a line to for each installation, on a machine without plugins."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "attempts"


def plugin_installed_by(script: str, attempts: Path) -> Program:
    pulumi = put_on_path(attempts.parent / "pulumi", "pulumi")
    pulumi.write_text(script.format(attempts=attempts))
    installer = Program("pulumi", Script(f'cp {pulumi} "$into/thing"'), NeverFromPath())
    return replace(CONSUL_PLUGIN, source=PulumiPlugin("consul", "3.15.2", installer, seconds=1))


def test_official_plugin_is_installed_once_into_the_toolchain_cache(attempts: Path) -> None:
    plugin = plugin_installed_by(INSTALLS, attempts)
    first, second = plugin.obtain(), plugin.obtain()
    assert (first.origin, second.origin) == ("fetched", "cache")
    assert first.path.is_relative_to(attempts.parent / "cache")
    assert attempts.read_text() == "plugin install resource consul 3.15.2\n"


@pytest.mark.parametrize("script", [FAILS, HANGS])
def test_stand_in_replaces_a_plugin_that_cannot_be_downloaded_in_time(script: str, attempts: Path) -> None:
    stand_in = put_stand_in_into_cache()
    obtained = plugin_installed_by(script, attempts).obtain()
    assert (obtained.origin, obtained.path.parent) == ("stand-in", stand_in)
    assert obtained.note is not None
    assert obtained.note.startswith("the official pulumi-resource-consul 3.15.2 cannot be downloaded (log: ")


@pytest.mark.parametrize("script", [FAILS, HANGS])
def test_failed_download_is_retried_after_a_day(script: str, attempts: Path) -> None:
    put_stand_in_into_cache()
    plugin = plugin_installed_by(script, attempts)
    entry = plugin.entry("3.15.2")
    plugin.obtain()
    plugin.obtain()
    assert len(attempts.read_text().splitlines()) == 1
    day_before = entry.log.stat().st_mtime - HOURS_BETWEEN_ATTEMPTS * 3600
    os.utime(entry.log, (day_before, day_before))
    plugin.obtain()
    assert len(attempts.read_text().splitlines()) == 2


def test_finding_the_current_plugin_downloads_nothing(attempts: Path) -> None:
    stand_in = put_stand_in_into_cache()
    assert consul_plugin.plugin_directory() == stand_in
    assert not attempts.exists()
