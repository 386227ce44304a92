"""Files of one machine, and of several."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from annotator.core.model import Status
from annotator.engine.factory import Options
from annotator.engine.input_check import blocks_of
from annotator.engine.log import Log
from annotator.engine.replay import Replay

SAMPLE = Path(__file__).parents[2] / "samples" / "linux" / "nodes-two-files"
FILES = [str(SAMPLE / f"input-{number}.log") for number in (1, 2)]


def nodes_of(files: list[str], **options: bool | str) -> tuple[dict[bytes, set[Status]], list[str]]:
    """Nodes with the answers of their events whose stamp has a serial above 9000, and the warnings."""
    answers: dict[bytes, set[Status]] = {}
    run = Replay(
        Options(format="none", **options),  # type: ignore[arg-type]
        observer=lambda event, _, __, answer: (
            answers.setdefault(event.node, set()).add(answer.status) if event.stamp.serial > 9000 else None
        ),
    )
    for block in blocks_of(files):
        run.feed(block)
    run.finish()
    return answers, run.warnings


def test_a_file_whose_serials_do_not_go_on_is_another_machines() -> None:
    """It is named as the file, and a warning says so, with what to do."""
    answers, (warning,) = nodes_of(FILES)
    assert answers == {FILES[1].encode(): {Status.UNKNOWN}}
    assert warning.startswith(f"{FILES[1]}: its serials do not go on from {FILES[0]}: taken as another machine's.")
    assert "--one-machine" in warning


@pytest.mark.parametrize("options", [{"one_machine": True}, {"node": "web1"}])
def test_files_are_of_one_machine_when_it_is_said(options: dict[str, bool | str]) -> None:
    """By either option; the serials that are missing between them are a gap, over which no parent proves anything."""
    answers, warnings = nodes_of(FILES, **options)
    assert answers == {b"": {Status.UNKNOWN}}
    assert not warnings


def test_a_rotated_set_is_one_machines(tmp_path: Path) -> None:
    """By its names, whatever its serials are; the same names in another folder are not."""
    first, second = (Path(name).read_bytes() for name in FILES)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name, data in (("a/audit.log.1", first), ("a/audit.log", second), ("b/audit.log", second)):
        (tmp_path / name).write_bytes(data)
    names = [str(tmp_path / name) for name in ("a/audit.log", "a/audit.log.1", "b/audit.log")]
    answers, warnings = nodes_of(names)
    assert set(answers) == {b"", names[2].encode()}
    assert len(warnings) == 1


def test_a_file_that_goes_on_is_the_same_machines(tmp_path: Path) -> None:
    """Its first serial and stamp follow the last of the other."""
    lines = Path(FILES[0]).read_bytes().splitlines(keepends=True)
    half = max(at for at, line in enumerate(lines[:-4]) if line.startswith(b"type=SYSCALL "))
    names = []
    for name, part in (("monday", lines[:half]), ("tuesday", lines[half:])):
        (tmp_path / name).write_bytes(b"".join(part))
        names.append(str(tmp_path / name))
    run = Replay(Options())
    out = b"".join(run.feed(block) for block in blocks_of(names)) + run.finish()
    alone = Replay(Options())
    assert out == b"".join(alone.feed(block) for block in blocks_of(FILES[:1])) + alone.finish()
    assert not run.warnings


def test_two_machines_under_one_name_are_said(tmp_path: Path) -> None:
    """Lines of two machines by turns, as a relay that drops the names writes them."""
    first, second = (Path(name).read_bytes().splitlines() for name in FILES)
    mixed: list[bytes] = []
    for turn in range(0, len(first) - 1, 2):
        ms = 1_790_000_000_000 + turn * 100
        stamp = b"(%d.%03d:" % (ms // 1000, ms % 1000)
        mixed += [re.sub(rb"\([0-9.]+:", stamp, line) for line in first[turn : turn + 2]]
        mixed += [re.sub(rb"\([0-9.]+:[0-9]+", stamp + b"%d" % (9001 + turn // 2), line) for line in second[:2]]
    path = tmp_path / "messages"
    path.write_bytes(b"\n".join(mixed) + b"\n")
    _, (warning,) = nodes_of([str(path)])
    assert warning.startswith("records without a node: serials run in two counts by turns")


def test_a_question_about_a_log_of_one_node_needs_no_node(tmp_path: Path) -> None:
    """`annotator who` finds the process under the only name there is."""
    lines = Path(FILES[0]).read_bytes().splitlines()
    path = tmp_path / "audit.log"
    path.write_bytes(b"".join(b"node=web1 " + line + b"\n" for line in lines))
    log = Log(blocks_of([str(path)]), Options(format="none"))
    assert log.process(1003, at=1_790_000_000_500)
    assert log.process(1003, at=1_790_000_000_500, node="web1")
    assert not log.process(1003, at=1_790_000_000_500, node="other")
