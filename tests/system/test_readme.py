"""What the README shows is run as shown: each `sh` and `console` block; a console block prints what it shows.

A block after `<!-- not run: REASON -->` is not run. The reasons are those of NOT_RUN, with how many blocks may give
each: the two set-up commands would run this test inside itself, and are held to what `.ci/run` does instead.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

NOT_RUN = {"set-up": 2, "needs auditd under systemd": 3}
"""Reasons a block may give for not being run, and how many blocks may give it."""

TIMEOUT_S = 120

FENCE = re.compile(
    r"^(?P<mark>`{3,}|~{3,})(?P<kind>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=mark)[ ]*$", re.MULTILINE | re.DOTALL
)
COMMENT = re.compile(r"<!--\s*not run:\s*(?P<reason>[^\n]*?)\s*-->\s*\Z")
MARK = "\x1e"
"""Between the outputs of two commands of a block; no command prints it."""


class Block(NamedTuple):
    """One fenced block, with the line its fence stands on. `reason` is why it is not run, "" when it is."""

    line: int
    kind: str
    body: str
    reason: str


class Shown(NamedTuple):
    """One command of a console block, and the lines shown after it."""

    command: str
    output: list[str]


def blocks(text: str) -> list[Block]:
    """The blocks of a page that a reader would type."""
    found = []
    for fence in FENCE.finditer(text):
        comment = COMMENT.search(text, 0, fence.start())
        if fence["kind"] in {"sh", "console"}:
            line = text.count("\n", 0, fence.start()) + 1
            found.append(Block(line, fence["kind"], fence["body"], comment["reason"] if comment else ""))
    return found


def shown(body: str) -> list[Shown]:
    """The commands of a console block: what follows `$ `, and the lines after a backslash (with or without `> `)."""
    found: list[Shown] = []
    lines = iter(body.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command += "\n" + next(lines, "").removeprefix("> ")
            found.append(Shown(command, []))
        elif found:
            found[-1].output.append(line)
        else:
            raise AssertionError(f"a console block starts with `$ `, not with {line!r}")
    return found


def same(want: list[str], got: list[str]) -> bool:
    """Line for line; a line `...` stands for any number of lines."""
    if not want:
        return not got
    if want[0] == "...":
        return any(same(want[1:], got[at:]) for at in range(len(got) + 1))
    return bool(got) and want[0] == got[0] and same(want[1:], got[1:])


def stripped(lines: list[str]) -> list[str]:
    """Without blank lines around, since a block may keep a distance between two commands, nor blanks at line ends."""
    return "\n".join(line.rstrip() for line in lines).strip("\n").splitlines()


def bash(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script the way CI would type it: stderr where stdout goes, one time zone, no colours, nothing on stdin."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    env["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="surrogateescape",
        timeout=TIMEOUT_S,
        check=False,
    )


def check(block: Block, cwd: Path) -> None:
    """Run one block; AssertionError says which command differs, and how."""
    if block.kind == "sh":
        done = bash(block.body, cwd)
        assert done.returncode == 0, f"README.md:{block.line}: exit {done.returncode}\n{done.stdout}"
        return
    commands = shown(block.body)
    assert commands, f"README.md:{block.line}: a console block without a command"
    done = bash(f"\nprintf '{MARK}'\n".join(each.command for each in commands), cwd)
    outputs = done.stdout.split(MARK)
    for each, output in zip(commands, outputs, strict=False):
        got, want = stripped(output.splitlines()), stripped(each.output)
        differ = (
            f"README.md:{block.line}: $ {each.command}\nshown:\n" + "\n".join(want) + "\nprinted:\n" + "\n".join(got)
        )
        assert same(want, got), differ
    assert done.returncode == 0, f"README.md:{block.line}: exit {done.returncode}\n{done.stdout}"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree that blocks may write into, one after the other; `.venv` is the real one."""
    copy = tmp_path_factory.mktemp("readme") / "annotator"
    leave = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", ".coverage*")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=leave)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


BLOCKS = blocks(README.read_text("utf-8")) if README.is_file() else []


@pytest.mark.parametrize("block", [b for b in BLOCKS if not b.reason], ids=lambda b: f"line{b.line}")
def test_a_block_does_what_it_shows(block: Block, tree: Path) -> None:
    """Each block that claims no reason runs without an error, and prints what it shows."""
    check(block, tree)


def test_the_readme_has_blocks_and_few_are_not_run() -> None:
    """There is something to run, and no more blocks are left out, for no other reasons, than are listed here."""
    assert README.is_file(), "there is no README.md"
    assert [b for b in BLOCKS if not b.reason], "README.md shows no command that can be run"
    for block in BLOCKS:
        assert not block.reason or block.reason in NOT_RUN, f"README.md:{block.line}: no such reason: {block.reason}"
    for reason, most in NOT_RUN.items():
        lines = [b.line for b in BLOCKS if b.reason == reason]
        assert len(lines) <= most, f"README.md: lines {lines} are not run ({reason}), {most} allowed"


def test_ci_runs_the_second_command_of_the_readme() -> None:
    """The two set-up commands are scripts that can be run, and `.ci/run` is the second one, to the letter."""
    assert README.is_file(), "there is no README.md"
    lines = [line.removeprefix("$ ") for b in BLOCKS if b.reason == "set-up" for line in b.body.splitlines()]
    commands = [line for line in lines if line.startswith("scripts/")]
    assert len(commands) == 2, f"README.md: two set-up commands that start with scripts/ expected, not {commands}"
    for word in (word for command in commands for word in shlex.split(command) if word.startswith("scripts/")):
        assert os.access(ROOT / word, os.X_OK), f"{word} is no program"
    run = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert commands[1] in run, f".ci/run has no line {commands[1]!r}"


PAGE = """
<!-- not run: set-up -->
```sh
scripts/setup
```

Text, so that the comment above is not about what follows.

```console
$ printf 'a\\nb\\nc\\n'
a
...
c
$ x=1; echo \\
> two
two
$ echo $x
1
```

```json
{}
```
"""


def test_blocks_are_read_as_a_reader_reads_them(tmp_path: Path) -> None:
    """A comment is about the block right after it; commands share one shell; other languages are not run."""
    first, second = blocks(PAGE)
    assert (first.line, first.kind, first.reason) == (3, "sh", "set-up")
    assert (second.kind, second.reason) == ("console", "")
    assert [each.command for each in shown(second.body)] == ["printf 'a\\nb\\nc\\n'", "x=1; echo \\\ntwo", "echo $x"]
    check(second, tmp_path)


WRONG = {
    "other output": "$ echo a\nb\n",
    "more output": "$ printf 'a\\nb\\n'\na\n",
    "less output": "$ echo a\na\nb\n",
    "no output shown": "$ echo a\n",
    "an error": "$ false\n",
    "an error before the last": "$ false\n$ echo a\na\n",
    "no command": "a\n",
    "empty": "",
}


@pytest.mark.parametrize("case", WRONG)
def test_what_differs_is_an_error(case: str, tmp_path: Path) -> None:
    """A block whose commands fail, or print something else than shown, does not pass."""
    with pytest.raises(AssertionError):
        check(Block(1, "console", WRONG[case], ""), tmp_path)
