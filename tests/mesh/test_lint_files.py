"""Files that `lint` rejects because Consul cannot parse them, given to `consul config write`."""

from pathlib import Path

import pytest

import toolchain
from testbed.consul import Consul
from testbed.processes import ProgramFailedError, Programs
from tests.mesh.consul_entries import clear
from tests.unit.cli.test_lint import EXAMPLES, lint

pytestmark = pytest.mark.mesh

ENTRY = 'Kind = "proxy-defaults"\nName = "global"\n'
TEXTS = [
    *(text for code in ("CT351", "CT353") for _, text in EXAMPLES[code]),
    "Kind = 'proxy-defaults'\nName = 'global'\n",
    'Kind: "proxy-defaults"\nName: "global"\n',
    f"{ENTRY}MeshGateway = null\n",
    f"{ENTRY}Config {{ protocol = 1 == 1 ? 'http' : 'tcp' }}\n",
    f"{ENTRY}Config {{ a = [1 2] }}\n",
    f'{ENTRY}Config {{ a = [[1] [2]] b = 0x1F c = "%{{" d = [1,,2,] }}\n',
    f'{ENTRY}Config {{ a = "\\/" }}\n',
    f"{ENTRY}Config {{ a = <<EOF\nb\nEOF }}\n",
    f"{ENTRY}Config {{ a = <<-EOF\n  b\n  EOF\n}}\n",
    f'{ENTRY}Confg {{ protocol = "http" }}\n',
    f'{ENTRY}MeshGateway {{ Mode = "local" }}\nMeshGateway {{ Mode = "none" }}\n',
    f"{ENTRY}Config {{ a = 1 }}\nConfig {{ b = 2 }}\n",
    f'{ENTRY}mesh_gateway {{ MODE = "local" }}\n',
    '{"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http"}}\n',
]


@pytest.mark.parametrize("text", TEXTS)
def test_lint_and_consul_reject_the_same_files(programs: Programs, consul: Consul, tmp_path: Path, text: str) -> None:
    file = tmp_path / "entry.hcl"
    file.write_text(text)
    command = [toolchain.program("consul"), "config", "write", file]
    try:
        programs.run("consul config write", command, environment=consul.environment)
        is_written = True
    except ProgramFailedError:
        is_written = False
    clear(consul)
    assert is_written == (not any(one.severity == "error" for one in lint(text)))
