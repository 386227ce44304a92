"""One look at the machine's WPARs: every source that answers, and why the others did not.

Everything comes through what is handed in: a root to read files under, a function that runs commands, libperfstat's
function. So a captured tree, a simulator and a live machine are looked at in the same way.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

from annotator.aix import inventory, perfstat, psinfo
from annotator.core.errors import AnnotatorError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from annotator.aix.inventory import Sighting

LONGEST_S = 20.0
MOST = 16 << 20
"""Bytes of one command's output or one file that are read."""


WHOLE = {"perfstat": ("perfstat",), "lswpar": ("lswpar -c", "lswpar -L")}
"""Sources whose list is whole when one of these ways has answered."""


class Contradiction(SourceError):
    """Two sources that look at the same processes cannot both be right."""


class Look(NamedTuple):
    """What was seen, the sources whose list is whole, and per source why it was not used (or "" when it was).

    `contradiction` is what `ps` says against the CIDs of psinfo, "" for nothing. `agreed` is set where a CID above 0
    was seen that `ps`, perfstat or the corrals index confirms, `idle` where a whole list shows no WPAR that runs.
    """

    sightings: list[Sighting]
    complete: frozenset[str]
    report: dict[str, str]
    contradiction: str = ""
    agreed: bool = False
    idle: bool = False


def run_command(argv: Sequence[str]) -> bytes:
    """Run a program of this machine in the C locale; SourceError when it cannot be run, fails or takes too long."""
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/usr/sbin:/etc"}
    try:
        done = subprocess.run(argv, capture_output=True, timeout=LONGEST_S, env=environment, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(f"{argv[0]}: {error}") from None
    if done.returncode:
        said = done.stderr[:200].decode("utf-8", "backslashreplace").strip()
        raise SourceError(f"{argv[0]} ended with {done.returncode}: {said}")
    return done.stdout[:MOST]


def read_file(path: Path) -> bytes:
    """A file of the tree, bounded; SourceError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MOST)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None


def look(
    run: Callable[[Sequence[str]], bytes] | None = None,
    root: Path | None = None,
    total: perfstat.Total | None = None,
    cids: Mapping[int, int] | None = None,
    starts: Mapping[int, int] | None = None,
) -> Look:
    """Ask every source once. `cids` are psinfo's, by pid: with the names that `ps` shows they name the CIDs.

    `starts` are when the init under a CID started (Unix ms): they tell one life of a WPAR from the next.
    """
    sightings: list[Sighting] = []
    report: dict[str, str] = {}
    contradictions: list[str] = []

    def ask(source: str, listing: Callable[[], list[Sighting]]) -> None:
        try:
            found = listing()
        except AnnotatorError as error:
            report[source] = error.what
            if isinstance(error, Contradiction):
                contradictions.append(error.what)
            return
        sightings.extend(found)
        report[source] = ""

    if total is not None:
        ask("perfstat", lambda: perfstat.active(total))
    if run is not None:
        ask("lswpar -c", lambda: _table(run))
        ask("lswpar -L", lambda: _long(run))
        ask("lswpar -a", lambda: _asked(run))
        if cids is not None:
            ask("ps", lambda: _by_ps(run, cids, starts or {}))
    if root is not None:
        ask("index", lambda: inventory.corrals_index(read_file(root / "etc/corrals/index")))
        ask("filesystems", lambda: inventory.filesystems(read_file(root / "etc/filesystems")))
    complete = frozenset(name for name, ways in WHOLE.items() if any(report.get(way) == "" for way in ways))
    return _judged(Look(sightings, complete, report, "".join(contradictions)), set((cids or {}).values()))


def _judged(found: Look, cids: set[int]) -> Look:
    """With what follows from all sources together. `cids` are those of all processes."""
    running = {seen.source for seen in found.sightings if seen.cid is not None or (seen.state or "D") not in "DB"}
    return found._replace(
        agreed="psinfo" in running or _confirmed(found.sightings, cids - {0}),
        idle=bool(found.complete) and not found.complete & running,
    )


def _confirmed(sightings: list[Sighting], cids: set[int]) -> bool:
    """Whether perfstat or the corrals index has all CIDs that processes show, and they show some."""
    listed = ({seen.cid for seen in sightings if seen.source == source} for source in ("perfstat", "index"))
    return bool(cids) and any(cids <= known for known in listed)


def _table(run: Callable[[Sequence[str]], bytes]) -> list[Sighting]:
    """`lswpar -c`, else the table. A row that does not parse makes the list not whole, so all of it is refused.

    Without -q a header names the fields, and is believed; where there is none, they are taken in the table's order.
    """
    output = _titled(run, "-c")
    rows = sum(1 for line in output.split(b"\n") if line.strip() and not line.startswith(b"#"))
    found = inventory.lswpar_colon(output)
    if len(found) < rows:
        found = inventory.lswpar_table(run(("/usr/sbin/lswpar",)))
    if len(found) < rows:
        raise SourceError("the output of lswpar -c has another form", "Please report it with oslevel -s.")
    return found


def _titled(run: Callable[[Sequence[str]], bytes], *flags: str) -> bytes:
    """`lswpar` with a header; without one (-q) where that is refused, or was not recorded."""
    try:
        return run(("/usr/sbin/lswpar", *flags))
    except SourceError:
        return run(("/usr/sbin/lswpar", flags[0], "-q", *flags[1:]))


def _long(run: Callable[[Sequence[str]], bytes]) -> list[Sighting]:
    """`lswpar -L`; output without any block that parses is refused, not taken for "there are no WPARs"."""
    output = run(("/usr/sbin/lswpar", "-L"))
    found = inventory.lswpar_long(output)
    if not found and output.strip():
        raise SourceError("the output of lswpar -L has another form", "Please report it with oslevel -s.")
    return found


FIELDS = ("name", "state", "type", "key", "uuid")
"""Asked for by name; that `key` and `uuid` are names of `lswpar -a` is not confirmed, so a refusal is normal."""


def _asked(run: Callable[[Sequence[str]], bytes]) -> list[Sighting]:
    return inventory.lswpar_colon(_titled(run, "-c", "-a", ",".join(FIELDS)), FIELDS)


def _by_ps(run: Callable[[Sequence[str]], bytes], cids: Mapping[int, int], starts: Mapping[int, int]) -> list[Sighting]:
    names = inventory.ps_names(run(("/usr/bin/ps", "-e", "-o", "pid=", "-o", "wpar=")))
    problem = psinfo.cross_check(cids, names)
    if problem:
        raise Contradiction(problem)
    found = []
    for name, cid in psinfo.joined(cids, names):
        values = {"name": name.decode("utf-8", "backslashreplace"), "cid": str(cid)}
        found.append(inventory.sighting("psinfo", values, starts.get(cid)))
    return [seen for seen in found if seen]
