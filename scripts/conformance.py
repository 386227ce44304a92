"""Hold the annotator against its oracles over a folder of audit logs: ours, other projects', or your own.

    scripts/check --corpus DIR
    .venv/bin/python scripts/conformance.py [--tools ausearch,aureport,auparse] [--timeout S] [--largest MB] DIR

For each log, whether plain, gz, xz or zst: (1) conservation: every line leaves exactly once and in its place, only with
our fields appended, however the bytes arrive; annotating twice changes nothing; (2) grouping: our events are those of
auparse, known differences aside; (3) stock tools: ausearch, aureport and auparse say the same of the annotated log.
Nothing is written but temporary copies (mode 0600), which the tools read; no log is changed. Exit code: 0 all agree,
1 something differs that nothing explains, 2 nothing could be checked.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import SubprocessError
from tempfile import NamedTemporaryFile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import oracle_grouping
import oracle_tools
from oracle_auparse import Assembler, ask, groups_of
from oracle_conservation import annotate, conservation
from oracle_grouping import grouping
from oracle_tools import TOOLS, find, tools

from annotator.core.errors import AnnotatorError, SourceError
from annotator.io.sources import Form, read_file, recognise, refuse

KNOWN = oracle_grouping.KNOWN | oracle_tools.KNOWN

DEFAULT_LARGEST = 256
"""MB of a log, decompressed, that is looked at: it is held in memory several times."""


@dataclass(slots=True)
class Result:
    """What one log, or a group of logs, came to."""

    files: int = 0
    lines: int = 0
    events: int = 0
    annotated: int = 0
    calls: int = 0
    known: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, other: Result) -> None:
        """Sum up."""
        self.files += other.files
        self.lines += other.lines
        self.events += other.events
        self.annotated += other.annotated
        self.calls += other.calls
        self.known += other.known
        self.skipped += other.skipped
        self.problems += other.problems


class SkippedError(Exception):
    """A file that is no log for these oracles; says why."""


def load(path: Path, largest: int) -> bytes:
    """The decompressed bytes of an audit log. Raises SkippedError for what is none."""
    pieces: list[bytes] = []
    size = 0
    try:
        for block in read_file(path):
            pieces += [b"\n".join(block.lines), b"\n" if block.newline else b""]
            size += len(pieces[-2])
            if len(pieces) == 2:
                _admit(recognise(pieces[0]), path)
            if size > largest:
                raise SkippedError(f"larger than {largest / 1e6:.0f} MB (see --largest)")
    except SourceError as error:
        raise SkippedError(f"cannot be read: {error.what.removeprefix(str(path)).lstrip(': ')}") from error
    if not pieces:
        raise SkippedError(_NO_LOG[Form.EMPTY])
    return b"".join(pieces)


_NO_LOG = {
    Form.EMPTY: "empty",
    Form.UNKNOWN: "no audit records",
    Form.AIX: "an AIX trail: these oracles are Linux's",
    Form.AUSEARCH: "ausearch's default output: use ausearch --raw (its records are in reverse order)",
}


def _admit(form: Form, path: Path) -> None:
    if form in _NO_LOG:
        raise SkippedError(_NO_LOG[form])
    try:
        refuse(form, str(path))
    except AnnotatorError as error:
        raise SkippedError(f"{form}: {error.what.removeprefix(str(path)).lstrip(': ')}") from error


def check(data: bytes, which: tuple[str, ...] = TOOLS, timeout: float = 120) -> Result:
    """All oracles on one log."""
    result = Result(files=1, lines=data.count(b"\n") + (data[-1:] not in (b"", b"\n")))
    result.problems += [f"conservation: {why}" for why in conservation(data)]
    try:
        found = grouping(data, _theirs(data, timeout))
        result.events = found.events
        result.known.update(found.known)
        result.problems += [f"grouping: {why}" for why in found.unexplained]
    except SubprocessError as error:
        result.problems.append(f"grouping: auparse itself failed: {error}")
    everywhere, stats = annotate(data, everywhere=True)
    result.annotated = stats.annotated
    if which:
        said = tools(data, everywhere, which, timeout)
        result.calls = said.calls
        result.known.update(said.known)
        result.problems += [f"stock tools: {why}" for why in said.unexplained]
    return result


def _theirs(data: bytes, timeout: float) -> Assembler:
    with NamedTemporaryFile(prefix="conformance-") as copy:
        copy.write(data)
        copy.flush()
        return groups_of(ask(Path(copy.name), timeout=timeout))


def check_folder(folder: Path, options: argparse.Namespace) -> dict[str, Result]:
    """All files below a folder, by the name of the folder's entry they lie in; problems say their file."""
    groups: dict[str, Result] = {}
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        name = path.relative_to(folder)
        group = groups.setdefault(name.parts[0] if len(name.parts) > 1 else ".", Result())
        try:
            one = check(load(path, options.largest * 1_000_000), options.tools, options.timeout)
        except SkippedError as why:
            one = Result(skipped=Counter([str(why)]))
        one.problems = [f"{name}: {problem}" for problem in one.problems]
        group.add(one)
        for problem in one.problems:
            print(problem, file=sys.stderr)
    return groups


_COLUMNS = ("logs", "skipped", "lines", "events", "annotated", "known", "calls", "problems")


def report(groups: dict[str, Result]) -> Result:
    """Print the table, the known differences with their reasons, what was skipped; returns the total."""
    total = Result()
    for result in groups.values():
        total.add(result)
    width = max(map(len, (*groups, "total")))
    print(f"{'':{width}} " + " ".join(f"{column:>9}" for column in _COLUMNS))
    for name, result in (*sorted(groups.items()), ("total", total)):
        counts = (
            result.files, result.skipped.total(), result.lines, result.events, result.annotated, result.known.total(),
            result.calls, len(result.problems),
        )  # fmt: skip
        print(f"{name:{width}} " + " ".join(f"{count:9d}" for count in counts))
    print(
        "\nannotated: lines that took our fields when every event was given a made-up container\n"
        "known:     stamps that auparse groups otherwise than we do, and calls that differ, for a reason below\n"
        "calls:     calls of stock tools that were compared"
    )
    if total.known:
        print("\nKnown differences:")
        for name, count in total.known.most_common():
            print(f"  {name} ({count}): {KNOWN[name]}")
    if total.skipped:
        print("\nSkipped:")
        for why, count in total.skipped.most_common():
            print(f"  {count} x {why}")
    return total


def _tools(text: str) -> tuple[str, ...]:
    """The value of --tools."""
    names = tuple(name for name in text.split(",") if name)
    for name in names:
        if name not in TOOLS:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(TOOLS)}")
    return names


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Hold the annotator against its oracles over a folder of audit logs.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the logs, at any depth; a single file will do")
    parser.add_argument(
        "--tools", type=_tools, default=TOOLS, help="stock tools to compare, '' for none (default: all)"
    )
    parser.add_argument("--timeout", type=float, default=120, metavar="S", help="seconds for one call (default: 120)")
    parser.add_argument(
        "--largest", type=int, default=DEFAULT_LARGEST, metavar="MB", help=f"skip larger logs ({DEFAULT_LARGEST})"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """The program; returns its exit code."""
    options = _arguments(arguments)
    missing = [tool for tool in options.tools if tool != "auparse" and find(tool) is None]
    if missing:
        print(
            f"conformance: {missing[0]} is not installed\nInstall auditd, or leave it out with --tools", file=sys.stderr
        )
        return 2
    if not options.folder.exists():
        print(f"conformance: {options.folder}: no such file or folder\nGive a folder of audit logs.", file=sys.stderr)
        return 2
    total = report(check_folder(options.folder, options))
    if total.problems:
        print(f"\nFAILED: {len(total.problems)} differences that nothing explains (each was printed above).")
        return 1
    if not total.files:
        print("\nNothing was checked: no audit log below this folder, or none that may be read (see Skipped).")
        return 2
    print(f"\nAll agree: {total.files} logs, {total.lines} lines, {total.events} events.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
