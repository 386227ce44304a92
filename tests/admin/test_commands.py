"""The commands, as one types them: what they print, what they do, how they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.admin import install_plan, rules
from annotator.cli.admin import plain_lines
from annotator.cli.main import main
from tests.admin.conftest import tree_of

if TYPE_CHECKING:
    from pathlib import Path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_install_and_uninstall_say_what_they_do(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each path by name; a second time nothing; and the way back."""
    before = tree_of(root)
    code, out, _ = run(capsys, "install", "--root", root)
    assert code == 0
    assert f"create   {install_plan.CONFIG}\n" in out
    assert rules.LEVELS["minimal"] in out
    assert rules.LEVELS["lineage"] not in out
    assert run(capsys, "install", "--root", root) == (0, "nothing to do\n", "")
    code, out, _ = run(capsys, "uninstall", "--yes", "--root", root)
    assert code == 0
    assert f"remove   {install_plan.PROGRAM}\n" in out
    assert tree_of(root) == before
    assert run(capsys, "uninstall", "--yes", "--root", root) == (0, "nothing is installed\n", "")


@pytest.mark.parametrize("command", [["install"], ["uninstall", "--yes"]])
def test_a_dry_run_does_nothing(root: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    """It prints a patch, and the tree stays as it is, before an installation and after one."""
    for _ in range(2):
        before = tree_of(root)
        code, out, _ = run(capsys, *command, "--dry-run", "--root", root)
        assert code == 0
        assert tree_of(root) == before
        assert out == "" or out.startswith("--- ")
        run(capsys, "install", "--root", root)
    assert f"--- a{install_plan.CONFIG}\n+++ /dev/null\n" in out or command == ["install"]


def test_a_file_in_the_way_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the dry run too, which then fails as the installation would."""
    path = f"{install_plan.PLUGINS[0]}/{install_plan.STANZA}"
    (root / path[1:]).write_text("active = yes\n")
    code, _, err = run(capsys, "install", "--root", root)
    assert code == 2
    assert path in err
    code, _, err = run(capsys, "install", "--dry-run", "--root", root)
    assert code == 1
    assert f"in the way: {path}" in err


def test_levels_stay_those_that_were_installed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless others are asked for; `none` is a choice too, and is kept."""
    run(capsys, "install", "--root", root, "--rules", "minimal, lineage")
    assert run(capsys, "install", "--root", root)[1] == "nothing to do\n"
    assert run(capsys, "install", "--root", root, "--rules", "none")[1].count("remove ") == 2
    assert run(capsys, "install", "--root", root)[1] == "nothing to do\n"
    code, _, err = run(capsys, "install", "--root", root, "--rules", "all")
    assert code == 2
    assert "no such level: all" in err


def test_purge_takes_what_the_plugin_wrote(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it logs stay, and it is said."""
    before = tree_of(root)
    run(capsys, "install", "--root", root)
    (root / install_plan.LOGS[1:] / "audit.log").write_text("x")
    assert f"stays    {install_plan.LOGS}\n" in run(capsys, "uninstall", "--yes", "--root", root)[1]
    run(capsys, "uninstall", "--yes", "--purge", "--root", root)
    assert tree_of(root) == before


def test_doctor_ends_with_1_when_something_is_bad(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text, and as one JSON object a finding."""
    code, out, _ = run(capsys, "doctor", "--root", root)
    assert code == 1
    assert "bad      install: " in out
    assert "         -> Run `annotator install`" in out
    code, out, _ = run(capsys, "doctor", "--root", root, "--output", "json")
    assert code == 1
    assert {json.loads(line)["level"] for line in out.splitlines()} >= {"bad", "ok", "skipped"}
    run(capsys, "install", "--root", root)
    assert run(capsys, "doctor", "--root", root)[0] == 0


def test_status_and_top_of_a_plugin_that_does_not_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They say so; status ends with 1."""
    run(capsys, "install", "--root", root)
    code, out, _ = run(capsys, "status", "--root", root)
    assert code == 1
    assert "plugin:          not running\n" in out
    code, out, _ = run(capsys, "status", "--root", root, "--output", "json")
    assert json.loads(out)["running"] is False
    code, out, _ = run(capsys, "top", "--root", root, "--times", "1", "--interval", "0.1")
    assert code == 0
    assert "not running" in out


@given(st.text())
def test_a_file_in_the_way_cannot_drive_the_terminal(text: str) -> None:
    """Of what a dry run prints, only line feeds are control characters."""
    shown = plain_lines("-" + text + "\n")
    assert shown.endswith("\n")
    assert all(char.isprintable() or char == "\n" for char in shown)
