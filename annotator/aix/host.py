"""The host view of AIX: which process has this pid now, and in which WPAR it runs.

Ways are tried in the order psinfo, getprocs64, ps, parent; each is proven at the start and left out, with the reason in
`report`, when it does not hold, then or later. Global is never assumed: only where `ps` says so, or where the CID is 0
and a CID above 0 was seen to agree with another source (or no WPAR runs at all), so that the place of the CID is
proven; and only where `uname -W` says that we run in Global ourselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.aix import getprocs, inventory, inventory_scan, psinfo, wpar_resolvers
from annotator.aix.listing import Listing
from annotator.aix.wpar import Inventory
from annotator.aix.wpar_resolvers import GetprocsLookup, Lookup, PsinfoLookup, PsLookup, Seen
from annotator.core.contracts import HostProcess
from annotator.core.errors import AnnotatorError
from annotator.core.model import Container, Evidence, Reason

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.aix.perfstat import Total
    from annotator.aix.wpar_lifetimes import WparLifetime
    from annotator.aix.wpar_resolvers import Now, Run

INSIDE_UNKNOWN = "?"
"""We do not know where we run: nothing called Global can be believed."""


class AixHost:
    """This machine, or a captured or simulated one under another root.

    `root` holds `proc` and `etc`. `now` is the clock, `run` starts commands (None: no commands), `total` is
    libperfstat's function, `call` is getprocs64 (None: not used). `own` is a pid and its parent that are known (ours),
    to prove psinfo with. `in_global` is for a captured tree, where `uname -W` cannot be asked. `HostProcess.ticks` is
    the start in nanoseconds of the epoch: what AIX has instead of ticks.
    """

    def __init__(
        self,
        root: Path,
        now: Now,
        own: tuple[int, int],
        run: Run | None = None,
        total: Total | None = None,
        call: getprocs.Call | None = None,
        node: bytes = b"",
        in_global: bool | None = None,
    ) -> None:
        self.root = root
        self.proc = root / "proc"
        self.now = now
        self.own = own
        self.run = run
        self.total = total
        self.call = call
        self.report: dict[str, str] = {}
        self.own_key: int | None = None
        """The key of the WPAR that we run in, 0 in Global, None where that is not known."""
        self.shown = Listing(())
        """The last look at the machine's WPARs."""
        self.inventory = Inventory(node, inside=self._inside(in_global))
        self.inventory.confirm, self.inventory.live = self._survived, True
        self._witnesses: dict[int, Seen] = {}
        self._agreed = self._zero_is_global = False
        self.ways = self._ways()
        self.refresh()

    def _inside(self, answer: bool | None) -> str | None:
        """None in Global (`uname -W` prints 0)."""
        try:
            if answer is None and self.run:
                self.own_key = inventory.own_key(self.run(("/usr/bin/uname", "-W")))
                answer = None if self.own_key is None else self.own_key == 0
        except AnnotatorError as error:
            self.report["uname -W"] = error.what
            return INSIDE_UNKNOWN
        words = {True: "Global", False: "inside a WPAR", None: "not known"}[answer]
        self.report["uname -W"] = f"inside the WPAR with key {self.own_key}" if self.own_key else words
        return None if answer else INSIDE_UNKNOWN

    # --- which ways hold --------------------------------------------------------------------------------------------

    def _ways(self) -> list[Lookup]:
        """The ways that are proven, in order."""
        ways: list[Lookup] = []
        problem = psinfo.probe(self.proc, *self.own)
        direct = PsinfoLookup(self.proc)
        cids = {} if problem else _cids(direct.every())
        if not problem and self.run and self._contradicted(cids):
            cids = _cids(direct.every())  # a pid used again between the two listings contradicts itself only once
            problem = self._contradicted(cids)
        self.report["psinfo"] = problem
        if not problem:
            ways.append(direct)
        table = self._calibrated(cids if not problem else {})
        if table:
            ways.append(table)
        if self.run:
            ways.append(PsLookup(self.run, self.now))
            self.report["ps"] = ""
        else:
            self.report["ps"] = "no commands are run"
        return ways

    def _contradicted(self, cids: dict[int, int]) -> str:
        assert self.run is not None  # noqa: S101  (the caller asked)
        try:
            output = self.run(("/usr/bin/ps", "-e", "-o", "pid=", "-o", "wpar="))
        except AnnotatorError:
            return ""  # nothing to compare with
        return psinfo.cross_check(cids, inventory.ps_names(output))

    def _calibrated(self, cids: dict[int, int]) -> GetprocsLookup | None:
        if self.call is None:
            self.report["getprocs64"] = "not on this system"
            return None
        try:
            size = getprocs.probe_size(self.call, self.own[0])
        except AnnotatorError as error:
            self.report["getprocs64"] = error.what
            return None
        offset = getprocs.calibrate(getprocs.every(self.call, size), cids)
        if offset is None:
            self.report["getprocs64"] = "the place of pi_cid cannot be told on this system"
            return None
        self.report["getprocs64"] = ""
        return GetprocsLookup(self.call, size, offset)

    def refresh(self) -> None:
        """Look at the machine's WPARs again: on a timer, and whenever `inventory.stale` is set."""
        begun_ms = self.now()
        direct = next((way for way in self.ways if isinstance(way, PsinfoLookup)), None)
        seen = direct.every() if direct else []
        found = inventory_scan.look(self.run, self.root, self.total, _cids(seen) if direct else None, _starts(seen))
        took_ms = max(self.now() - begun_ms, 0)
        self.shown = Listing(found.sightings, begun_ms, found.complete, took_ms=took_ms)
        self._witnesses = _oldest(seen)
        self.inventory.observe(found.sightings, begun_ms, found.complete, took_ms)
        self.report.update(found.report)
        self._judge(found)

    def _judge(self, found: inventory_scan.Look) -> None:
        """Whether CIDs are still believed, and whether CID 0 is Global."""
        if found.contradiction and (problem := self._contradicted(_cids(PsinfoLookup(self.proc).every()))):
            self.ways = [way for way in self.ways if isinstance(way, PsLookup)]
            self._witnesses, self._agreed = {}, False
            self.report["psinfo"], self.report["ps"] = problem, ""
            self.report["getprocs64"] = self.report["getprocs64"] or "its pi_cid was found by psinfo"
        has_cids = any(not isinstance(way, PsLookup) for way in self.ways)
        self._agreed = has_cids and (self._agreed or (found.agreed and not found.contradiction))
        self._zero_is_global = has_cids and (self._agreed or (found.idle and not self._witnesses))

    @property
    def cids_agree(self) -> bool:
        """Whether a CID above 0 was seen to agree with another source, and nothing has contradicted it since."""
        return self._agreed

    def _survived(self, life: WparLifetime, at_ms: int) -> bool:  # noqa: ARG002  (it is asked about now, which is later)
        """Whether the oldest process that was seen under a life's CID still is: then nobody else got the CID.

        Where processes do not show CIDs, or none was there to be seen, what the look said is believed until the next.
        """
        known = self._witnesses.get(life.cid)
        if known is None or life.source == "index":
            self.inventory.stale = self.inventory.stale or (bool(self._witnesses) and life.source != "index")
            return True
        now_ms = self.now()
        seen = psinfo.read(self.proc, known.pid)
        if isinstance(seen, Reason) or (seen.start_ns, seen.cid, seen.zombie) != (known.start_ns, life.cid, False):
            return False
        life.seen_ms = max(life.seen_ms, now_ms)
        return True

    # --- the contract -----------------------------------------------------------------------------------------------

    def process(self, pid: int) -> HostProcess | Reason:
        """The process that has this pid now, with its WPAR; a Reason when it is gone or nothing would say."""
        seen = self._ask(pid)
        return seen if isinstance(seen, Reason) else self._resolve(seen)

    def processes(self) -> list[HostProcess]:
        """All processes, parents before children, by the first way that lists any."""
        for way in self.ways:
            found = way.every()
            if found:
                return [self._resolve(seen) for seen in _parents_first(found)]
        return []

    def _ask(self, pid: int) -> Seen | Reason:
        reason = Reason.NOT_SEEN
        for way in self.ways:
            seen = way.one(pid)
            if isinstance(seen, Seen) and (seen.cid != 0 or self._zero_is_global):
                return seen
            if isinstance(seen, Seen):
                continue  # CID 0 proves nothing here: another way may have its name
            if seen is Reason.GONE:
                return seen
            reason = seen
        return reason

    def _resolve(self, seen: Seen) -> HostProcess:
        at_ms = self.now()
        answer = self._where(seen, at_ms)
        evidence: Evidence | None = None
        if answer == "global":
            answer = Reason.ZOMBIE if seen.zombie else answer
            evidence = None if seen.zombie else Evidence.HOST_VIEW
        elif isinstance(answer, Container):
            evidence = Evidence.INFERRED if seen.zombie else self.inventory.evidence(answer, at_ms)
        elif not seen.zombie and (parent := self._parent(seen, at_ms)):
            answer, evidence = parent, Evidence.PPID
        return HostProcess(
            pid=seen.pid,
            ppid=seen.ppid,
            start_ms=seen.start_ns // 1_000_000,
            ticks=seen.start_ns,
            read_ms=at_ms,
            container=answer if isinstance(answer, Container) else None,
            evidence=evidence,
            reason=answer if isinstance(answer, Reason) else None,
            uid=seen.uid,
            comm=seen.comm,
        )

    def _where(self, seen: Seen, at_ms: int) -> Container | Reason | str:
        if seen.cid == 0 and not self._zero_is_global:
            named = self._ask(seen.pid)
            return named if isinstance(named, Reason) else self._where(named, at_ms)
        if seen.cid is not None:
            return self.inventory.for_cid(seen.cid, at_ms)
        return self.inventory.container_for(seen.name or b"", at_ms) or Reason.HIDDEN

    def _parent(self, seen: Seen, at_ms: int) -> Container | None:
        """The parent's WPAR; nothing when the parent is in Global or its WPAR is not known either."""
        parent = wpar_resolvers.of_parent(seen, self._ask)
        answer = None if isinstance(parent, Reason) else self._where(parent, at_ms)
        return answer if isinstance(answer, Container) else None


def _cids(found: list[Seen]) -> dict[int, int]:
    return {seen.pid: seen.cid for seen in found if seen.cid is not None and not seen.zombie}


def _starts(found: list[Seen]) -> dict[int, int]:
    """When each WPAR's init started, by CID: the oldest process of that name. An application WPAR has none."""
    starts: dict[int, int] = {}
    for seen in found:
        if seen.cid and seen.comm == b"init":
            start = seen.start_ns // 1_000_000
            starts[seen.cid] = min(start, starts.get(seen.cid, start))
    return starts


def _oldest(found: list[Seen]) -> dict[int, Seen]:
    """The oldest process of each CID, as a rule its init: it goes last."""
    oldest: dict[int, Seen] = {}
    for seen in found:
        if seen.cid and not seen.zombie and (seen.cid not in oldest or seen.start_ns < oldest[seen.cid].start_ns):
            oldest[seen.cid] = seen
    return oldest


def _parents_first(found: list[Seen]) -> list[Seen]:
    """Parents before their children; a loop of parents (re-used pids) is cut."""
    by_pid = {seen.pid: seen for seen in found}
    placed: dict[int, Seen] = {}
    for seen in found:
        line: list[Seen] = []
        at: Seen | None = seen
        while at is not None and at.pid not in placed and at not in line:
            line.append(at)
            at = by_pid.get(at.ppid)
        for one in reversed(line):
            placed[one.pid] = one
    return list(placed.values())
