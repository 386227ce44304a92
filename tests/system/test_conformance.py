"""scripts/conformance.py over folders: what it accepts, what it says, and that a difference fails it."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts/conformance.py"
sys.path.insert(0, str(SCRIPT.parent))

import conformance  # noqa: E402

pytestmark = pytest.mark.system

EVENT = b"""\
type=SYSCALL msg=audit(1700000000.100:1): arch=c000003e syscall=59 success=yes exit=0 a0=0 a1=0 a2=0 a3=0 items=0 \
ppid=1 pid=20 auid=0 \
uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 comm="ls" exe="/bin/ls" key="k"
type=PROCTITLE msg=audit(1700000000.100:1): proctitle="ls"
type=EOE msg=audit(1700000000.100:1):
"""


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """The script as people run it: exit code, output, errors."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def test_logs_that_agree_pass_and_known_differences_are_explained(tmp_path: Path) -> None:
    """Plain and compressed logs at any depth are checked; the table counts them; each known class says its reason."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web/audit.log").write_bytes(EVENT)
    (tmp_path / "web/audit.log.1.gz").write_bytes(gzip.compress(EVENT))
    (tmp_path / "notes.md").write_text("no records here\n", "utf-8")
    (tmp_path / "empty").touch()
    (tmp_path / "i.log").write_text("type=USER msg=audit(01/02/2026 10:00:00.123:7) : pid=1\n", "utf-8")
    code, out, err = run("--tools", "auparse", tmp_path)
    assert (code, err) == (0, "")
    assert "All agree: 2 logs, 6 lines, 2 events." in out
    assert "eoe (2): auparse swallows an EOE" in out
    for skipped in ("1 x no audit records", "1 x empty", "1 x interpreted: this is interpreted output"):
        assert skipped in out
    assert [line.split()[:4] for line in out.splitlines() if line.startswith(("web", "."))] == [
        [".", "0", "3", "0"],
        ["web", "2", "0", "6"],
    ]


@pytest.mark.skipif(conformance.find("ausearch") is None, reason="auditd is not installed")
def test_all_stock_tools_are_run_unless_some_are_named(tmp_path: Path) -> None:
    """Without --tools ausearch, aureport and auparse are compared; a single file will do for a folder."""
    log = tmp_path / "audit.log"
    log.write_bytes(EVENT)
    code, out, _ = run(log)
    assert code == 0
    assert int(next(line for line in out.splitlines() if line.startswith("total")).split()[7]) > 60


def test_a_folder_without_logs_is_not_a_success(tmp_path: Path) -> None:
    """Nothing checked is exit code 2, and so are a missing folder and a tool that does not exist."""
    (tmp_path / "notes.md").write_text("no records\n", "utf-8")
    code, out, _ = run("--tools", "auparse", tmp_path)
    assert code == 2
    assert "Nothing was checked" in out
    code, _, err = run(tmp_path / "missing")
    assert code == 2
    assert "no such file or folder" in err
    code, _, err = run("--tools", "ausearch,grep", tmp_path)
    assert code == 2
    assert "grep is none of ausearch, aureport, auparse" in err


def test_a_difference_fails_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Problems of a log are counted in the total and are the exit code; each names its oracle."""
    total = conformance.report(
        {"web": conformance.Result(files=1, problems=["audit.log: grouping: x"]), ".": conformance.Result()}
    )
    assert total.problems == ["audit.log: grouping: x"]
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:4]] == ["0", "1", "1"]


def test_a_log_on_which_auparse_differs_without_a_reason_fails(tmp_path: Path) -> None:
    """What the library reads in a way that the rules do not foretell (strtoul(3) skips a vertical tab) is a failure."""
    log = tmp_path / "audit.log"
    log.write_bytes(EVENT + b"type=AVC msg=audit(\x0b1700000000.100:5): a=b\n")
    code, out, err = run("--tools", "", log)
    assert (code, "FAILED: 1 " in out) == (1, True), out + err
    assert "grouping: " in err


def test_a_damaged_archive_and_a_large_log_are_skipped_with_the_reason(tmp_path: Path) -> None:
    """What cannot be read, or is larger than allowed, is said and not counted as checked."""
    (tmp_path / "audit.log.gz").write_bytes(gzip.compress(EVENT * 50)[:-20])
    (tmp_path / "audit.log").write_bytes(EVENT * 4000)
    code, out, _ = run("--tools", "", "--largest", "1", tmp_path)
    assert code == 2
    assert "cannot be read" in out or "damaged" in out
    assert "larger than 1 MB" in out
