"""The real thing: auditd reads our stanza, starts our program under our rules, and status, top and doctor see it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from annotator.admin import install_plan, plugin_client, rules
from annotator.cli.main import main
from tests.audit_lock import audit_of_this_machine, auditctl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.system

DAEMON = """log_file = {0}/audit.log
log_format = ENRICHED
q_depth = 4000
plugin_dir = {0}/plugins.d
max_log_file_action = ignore
space_left = 2
admin_space_left = 1
space_left_action = ignore
admin_space_left_action = ignore
disk_full_action = ignore
disk_error_action = ignore
"""

CONFIG = """[state]
directory = "{0}/state"
save_interval_s = 1
[control]
socket = "{0}/control"
[metrics]
file = "{0}/metrics"
interval_s = 0.2
[log]
syslog = ""
[[output]]
name = "audit"
path = "{0}/annotated.log"
"""


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[Path]:
    """A directory with an auditd of its own, our plugin in it, and all levels of our rules."""
    (tmp_path / "plugins.d").mkdir()
    (tmp_path / "auditd.conf").write_text(DAEMON.format(tmp_path))
    (tmp_path / "a.toml").write_text(CONFIG.format(tmp_path))
    program = tmp_path / "audisp-contid"
    program.write_bytes(install_plan.launcher(sys.executable))
    program.chmod(0o750)
    stanza = tmp_path / "plugins.d" / install_plan.STANZA
    stanza.write_bytes(install_plan.stanza(str(program)) + f"args = {tmp_path}/a.toml\n".encode())
    stanza.chmod(0o640)
    with audit_of_this_machine():
        with (tmp_path / "out").open("wb") as out:
            daemon = subprocess.Popen(
                ["auditd", "-f", "-c", tmp_path], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        try:
            _wait(lambda: (tmp_path / "control").exists(), tmp_path)
            for level in rules.LEVELS:
                auditctl("-R", str(rules.directory() / rules.LEVELS[level]))
            yield tmp_path
        finally:
            auditctl("-D")
            daemon.terminate()
            daemon.wait(30)


def _wait(done: Callable[[], bool], where: Path) -> None:
    until = time.monotonic() + 30
    while not done():
        assert time.monotonic() < until, (where / "out").read_bytes()[-2000:]
        time.sleep(0.05)


@pytest.mark.live
def test_auditd_runs_what_install_writes(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records come annotated, and every way to look shows the same plugin."""
    subprocess.run(["/bin/true"], check=True)
    socket = str(audited / "control")
    _wait(lambda: plugin_client.counts(socket).counts["events", ""] > 0, audited)
    _wait(lambda: (audited / "annotated.log").stat().st_size > 0, audited)

    assert main(["status", "--config", str(audited / "a.toml"), "--output", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["running"]
    assert len(said["pids"]) == 2
    assert said["counts"]["events"] > 0
    assert said["counts"]["output_queue_dropped_lines{audit}"] == 0
    assert said["lag_s"]["audit"] < 5

    assert main(["top", "--config", str(audited / "a.toml"), "--times", "2", "--interval", "0.3"]) == 0
    assert "OUTPUT" in capsys.readouterr().out

    main(["doctor", "--output", "json"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    loaded = [one["found"] for one in found if one["topic"] == "rules"]
    assert loaded == [f"{level}: loaded" for level in rules.LOST]
    assert any(one["level"] == "ok" and one["found"].startswith("on, auditd is process") for one in found)
    assert any(one["level"] == "ok" and one["found"].startswith("running for") for one in found)
