"""Stock tools: ausearch, aureport and auparse say the same of a log and of the same log annotated everywhere.

Where a tool prints records it prints our fields too: they are taken out of what it printed, and nothing else is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from oracle_auparse import ask
from oracle_conservation import MADE_UP

from annotator.formats.raw import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = ("ausearch", "aureport", "auparse")

REPORTS = (
    "", "-a", "-au", "--comm", "-c", "-cr", "-e", "-f", "-h", "--integrity", "-k", "-l", "-m", "-ma", "-n", "-p", "-r",
    "-s", "-t", "-tm", "--tty", "-u", "--virt", "-x",
)  # fmt: skip
"""All reports of aureport(8), audit 3.0.9."""

SUMMARIES = frozenset(("-a", "-au", "--comm", "-e", "-f", "-h", "-k", "-l", "-m", "-n", "-p", "-s", "-tm", "-u", "-x"))

_QUERIES = (
    ("-p", re.compile(rb" pid=(\d+)")),
    ("-m", re.compile(rb"(?:^|\n| )type=([A-Z0-9_]+) ")),
    ("-k", re.compile(rb' key="([^"\s]+)"')),
    ("-x", re.compile(rb' exe="([^"\s]+)"')),
    ("-c", re.compile(rb' comm="([^"\s]+)"')),
    ("-f", re.compile(rb' name="([^"\s]+)"')),
    ("-ua", re.compile(rb" [ae]?uid=(\d+)")),
    ("--session", re.compile(rb" ses=(\d+)")),
    ("-sc", re.compile(rb" syscall=(\d+)")),
    ("-tm", re.compile(rb" (?:tty|terminal)=([a-z]\S*?)[ ']")),
    ("-n", re.compile(rb"(?:^|\n)node=(\S+)")),
    ("-hn", re.compile(rb" hostname=([A-Za-z0-9.-]+)")),
)
"""What to search for, and where a log has values of it."""


class Program(NamedTuple):
    """One call of a tool on a log. `prints` says that it prints records, and so our fields."""

    arguments: tuple[str, ...]
    prints: bool

    def __str__(self) -> str:
        """As typed in a shell."""
        return " ".join(self.arguments)


def find(tool: str) -> str | None:
    """Where a tool is; they lie in /usr/sbin, which not everybody's PATH has."""
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def programs(data: bytes, tools: tuple[str, ...]) -> Iterator[Program]:
    """The calls for a log: searches for values that it has, each form of output, all reports."""
    if "ausearch" in tools:
        searches = [(form,) for form in ("raw", "default", "interpret", "csv", "text")]
        yield from (Program(("ausearch", "--format", *form), form[0] not in ("csv", "text")) for form in searches)
        yield Program(("ausearch", "--format", "csv", "--extra-keys", "--extra-labels", "--extra-obj2"), False)
        for option, pattern in _QUERIES:
            yield from (
                Program(("ausearch", option, value, "--format", "interpret" if number else "raw"), True)
                for number, value in enumerate(_values(pattern, data))
            )
    if "aureport" in tools:
        for report in REPORTS:
            base = ("aureport", report) if report else ("aureport",)
            yield Program(base, False)
            yield Program((*base, "-i"), False)
            if report in SUMMARIES:
                yield Program((*base, "--summary"), False)
    if "auparse" in tools:
        yield Program(("auparse",), False)


def _values(pattern: re.Pattern[bytes], data: bytes) -> list[str]:
    """The most frequent value and the rarest: one that finds many events and one that finds few."""
    found = Counter(pattern.findall(data)).most_common()
    values = {found[0][0], found[-1][0]} if found else set()
    return [value.decode("ascii") for value in sorted(values) if value.isascii() and value[:1] != b"-"]


def _printed() -> re.Pattern[bytes]:
    """Our fields in what a tool printed: all of them, or the first few where the line had no room for more."""
    pattern = b""
    for field in reversed(fields_of(MADE_UP)):
        pattern = b"(?:" + re.escape(field).replace(b",", b"[,;]") + pattern + b")?"
    return re.compile(b"(?= cont)" + pattern)


_PRINTED = _printed()
_TERMINAL_LAST = re.compile(rb"type=USER_(?:AVC|SELINUX_ERR) [^\n\x1d]* terminal=[^ \n\x1d]*(?:[\n\x1d]|\Z)")

KNOWN: dict[str, str] = {}
"""Classes of differences that are known, with their reason: none."""


class Comparison(NamedTuple):
    """How many calls were compared, how many differed by known class, and how the others differed."""

    calls: int
    known: Counter[str]
    unexplained: list[str]


def tools(plain: bytes, annotated: bytes, which: tuple[str, ...] = TOOLS, timeout: float = 120) -> Comparison:
    """How many comparisons were made, and those that differed, in sentences.

    The tools get copies with mode 0600 and the same name (some print it); no network, no configuration of ours.
    """
    calls = list(programs(plain, which))
    known: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        before = _put(Path(folder, "plain"), plain)
        after = _put(Path(folder, "annotated"), annotated)
        differing = [(call, why) for call in calls if (why := _differs(call, before, after, timeout=timeout))]
        unexplained = [why for _, why in differing]
    return Comparison(len(calls), known, unexplained)


def _put(side: Path, data: bytes) -> Path:
    side.mkdir()
    log = side / "audit.log"
    log.touch(mode=0o600)
    log.write_bytes(data)
    return side


def _differs(program: Program, plain: Path, annotated: Path, *, timeout: float) -> str:
    """How the outputs of one call differ; "" when they are the same."""
    if program.arguments == ("auparse",):
        return _auparse(plain, annotated, timeout=timeout)
    try:
        one, two = (_run(program, side, timeout) for side in (plain, annotated))
    except subprocess.TimeoutExpired:
        return f"`{program}` did not finish within {timeout:.0f} s"
    if program.prints:
        two = (two[0], _PRINTED.sub(b"", two[1]), two[2])
    if one == two:
        return ""
    if one[0] != two[0]:
        return f"`{program}` ends with {one[0]} on the plain log and with {two[0]} on the annotated one"
    return f"`{program}` says otherwise: {_first(one[1] + one[2], two[1] + two[2])}"


def _run(program: Program, side: Path, timeout: float) -> tuple[int, bytes, bytes]:
    """Exit code and output. Input is /dev/null: the tools read a pipe rather than the file they are given."""
    name, *rest = program.arguments
    command = [find(name) or name, "-if", "audit.log", *rest]
    environment = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, cwd=side, env=environment, timeout=timeout, check=False
    )
    return done.returncode, done.stdout, done.stderr


def _auparse(plain: Path, annotated: Path, *, timeout: float) -> str:
    """Events, every field but ours with its meaning, and what the normaliser says."""
    try:
        one, two = (ask(side / "audit.log", fields=True, timeout=timeout) for side in (plain, annotated))
    except subprocess.SubprocessError as error:
        return f"auparse failed: {error}"
    if one == two:
        return ""
    return f"auparse says otherwise: {_first(chr(10).join(one).encode(), chr(10).join(two).encode())}"


def _first(one: bytes, two: bytes) -> str:
    """The first lines that differ."""
    before, after = one.split(b"\n"), two.split(b"\n")
    for a, b in zip(before, after, strict=False):
        if a != b:
            return f"{a[-300:]!r} became {b[-300:]!r}"
    return f"{len(before)} lines became {len(after)}"
