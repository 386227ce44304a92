"""Install and doctor on AIX: what is written and what is not, what is missing and how it is said."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from annotator.admin import doctor_aix, install_aix, install_plan
from annotator.admin.check_result import Level
from annotator.aix import inventory
from annotator.aix.host import AixHost
from annotator.cli.main import cli
from annotator.core.errors import SourceError, UsageError
from annotator.plugin import config_load

ROOT = Path(__file__).parents[2]
DATA = ROOT / "annotator" / "data"
CONFIG = (DATA / "aix" / "audit-config.txt").read_text("utf-8")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files of an AIX."""
    (tmp_path / "etc/security/audit").mkdir(parents=True)
    (tmp_path / "etc/security/audit/streamcmds").write_text("/usr/sbin/auditstream | auditpr > /audit/stream.out &\n")
    return tmp_path


def installed(tree: Path, *words: str) -> Any:
    """`annotator install` into a tree of files."""
    return CliRunner().invoke(cli, ["install", "--root", str(tree), *words])


def test_it_writes_a_subsystem_and_nothing_of_linux(tree: Path) -> None:
    """No rules, no stanza of auditd; the site's own audit files are as they were."""
    before = (tree / "etc/security/audit/streamcmds").read_bytes()
    done = installed(tree)
    assert done.exit_code == 0, done.output
    files = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    assert {
        "etc/annotator/annotator.toml", "etc/annotator/aix/subsystem.sh", "etc/annotator/aix/streamcmds",
        "etc/annotator/aix/audit-config.txt", "usr/local/sbin/annotator-aix",
        "usr/local/share/doc/annotator/install-aix.md",
    } <= files  # fmt: skip
    assert not [name for name in files if "rules" in name or "plugins.d" in name or "selinux" in name]
    assert (tree / "etc/security/audit/streamcmds").read_bytes() == before
    assert os.access(tree / "usr/local/sbin/annotator-aix", os.X_OK)
    assert config_load.load(tree / "etc/annotator/annotator.toml").output[0].format == "json"
    again = installed(tree)
    assert "nothing to do" in again.output
    removed = CliRunner().invoke(cli, ["uninstall", "--root", str(tree), "--yes", "--purge"])
    assert removed.exit_code == 0, removed.output
    assert {path.name for path in tree.rglob("*") if path.is_file()} == {"streamcmds"}


def test_what_is_for_linux_is_refused(tree: Path) -> None:
    """Rules and hooks; a path that SRC could not take."""
    for words in (("--rules", "none"), ("--hook", "/usr/bin/hook")):
        done = installed(tree, *words)
        assert isinstance(done.exception, UsageError), done.output
        assert "Linux" in done.exception.what
    with pytest.raises(UsageError):
        install_aix.plan(install_plan.Options(program="/a b"))


def test_the_commands_for_src() -> None:
    """They can be read by a shell, end what was there before, and leave inittab alone when inactive."""
    for active in (True, False):
        text = install_aix.subsystem("/usr/local/sbin/annotator-aix", active=active)
        subprocess.run(["/bin/sh", "-n"], input=text.encode(), check=True)
        assert text.count("mkssys -s annotator") == 1
        assert ("mkitab" in text) is active


def test_the_launcher_runs_the_plugin() -> None:
    """It is a program of Python that starts `plugin --source auditstream`."""
    text = install_aix.launcher("/opt/annotator/bin/python").decode()
    compile(text, "annotator-aix", "exec")
    assert text.startswith("#!/opt/annotator/bin/python -I\n")
    assert '["plugin", "--source", "auditstream"]' in text


def levels(found: Any) -> dict[str, Level]:
    """The gravest level of each topic."""
    order = list(Level)
    grave: dict[str, Level] = {}
    for one in found:
        grave[one.topic] = max(one.level, grave.get(one.topic, one.level), key=order.index)
    return grave


def test_the_advice_satisfies_doctor() -> None:
    """What audit-config.txt says to merge is what the checks ask for."""
    text = CONFIG.replace("NAME = ", "web = ")
    assert levels(doctor_aix.audit_configuration(text, "", ["web"])) == {
        "stream": Level.OK, "WPARS": Level.OK, "streamcmds": Level.OK,
    }  # fmt: skip


def test_what_is_missing_is_said_with_how_to_get_it() -> None:
    """Stream mode, compression, classes, WPARs without a line, a stream.out that grows."""
    config = (
        "start:\n\tbinmode = on\n\tstreammode = off\nstream:\n\tstreamcompact = on\nclasses:\n\tgeneral = USER_SU\n"
    )
    found = list(doctor_aix.audit_configuration(config, "auditstream > /audit/stream.out &\n", ["web", "db"]))
    assert levels(found) == {
        "stream": Level.BAD, "classes": Level.WARNING, "WPARS": Level.WARNING, "streamcmds": Level.NOTE,
    }  # fmt: skip
    assert all(one.advice for one in found)
    assert "web, db" in next(one for one in found if one.topic == "WPARS").outcome
    assert next(iter(doctor_aix.audit_configuration(None, None, []))).level is Level.NOTE


def test_continued_lines_of_the_configuration() -> None:
    """A class may go over several lines; comments begin with a star."""
    text = "classes:\n\tgeneral = USER_SU,\\\n\t\tPROC_Create\n* x:\n*\ty = z\n"
    assert (
        inventory.stanzas(text) == {"classes": {"general": "USER_SU, \t\tPROC_Create"}}
        or "PROC_Create" in (inventory.stanzas(text)["classes"]["general"])
    )
    assert inventory.stanzas("x = 1\n") == {}


@pytest.mark.parametrize(
    ("shown", "level"),
    [
        (b"Subsystem      Group     PID    Status\n annotator                  123    active\n", Level.OK),
        (b"Subsystem      Group     PID    Status\n annotator                         inoperative\n", Level.BAD),
        (None, Level.NOTE),
    ],
)  # fmt: skip
def test_the_subsystem(shown: bytes | None, level: Level) -> None:
    """By what lssrc prints."""

    def run(_argv: Any) -> bytes:
        if shown is None:
            raise SourceError("0513-085")
        return shown

    (found,) = doctor_aix.subsystem(run)
    assert found.level is level


@pytest.mark.parametrize(
    ("zone", "level"), [("CET-1CEST,M3.5.0,M10.5.0/3", Level.OK), ("CET-1CEST", Level.NOTE), ("", Level.NOTE)]
)
def test_the_time_zone(zone: str, level: Level) -> None:
    """What `--tz` can have; else what to give instead."""
    found = doctor_aix.time_zone(zone)
    assert found.level is level
    assert found.advice or level is Level.OK


def test_whether_cids_agree(sim: Any, tmp_path: Path) -> None:
    """With a WPAR that runs they do; without one nothing is proven, and that is said."""
    for name in ("running", "none"):
        machine = sim.scenario() if name == "running" else sim.Machine()
        machine.write_tree(tmp_path / name)
        shell = machine.processes[machine.shell]
        host = AixHost(tmp_path / name, lambda: 1772446500000, (shell.pid, shell.ppid), run=machine.run)
        assert doctor_aix.agreement(host).level is (Level.OK if name == "running" else Level.NOTE)


def test_the_mapping_of_the_page_is_json() -> None:
    """And each field that the table names is in the schema, or below a part that is open."""
    page = (DATA / "aix-fields.md").read_text("utf-8")
    mapping = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert mapping is not None
    json.loads(mapping[1])
    schema = json.loads((DATA / "event.schema.json").read_text("utf-8"))
    rows = [line.split("|")[2] for line in page.splitlines() if line.startswith("| ") and "---" not in line][1:]
    names = [name for row in rows for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", row)]
    assert len(names) > 20
    for name in names:
        at = schema["properties"]
        for word in name.split("."):
            assert word in at, name
            part = at[word]
            part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
            at = part.get("properties", {})


def test_the_page_names_what_is_installed() -> None:
    """Every path that `annotator install` writes for the program is on the page."""
    page = (DATA / "install-aix.md").read_text("utf-8")
    for entry in install_aix.plan(install_plan.Options(documents=False)):
        assert f"`{entry.path}`" in page, entry.path
