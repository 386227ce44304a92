"""Which WPAR a name or a CID meant at a time.

Four things are told apart. The *name* may be given to another WPAR later. The *CID* is given at each start, so it is
true for one lifetime only, and another WPAR can get it next. The *key* stays over restarts. The *UUID* stays too and is
unique. The lasting identity is the UUID, else node, key and name; the contid is the CID of the lifetime that the record
fell into, and absent where that lifetime's CID was not seen: a WPAR is never given the CID of another of its lifetimes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from annotator.aix.record import ENGINE, GLOBAL, wpar_name
from annotator.aix.wpar_lifetimes import Conflict, Wpar, WparLifetime, is_another, rank, values_of
from annotator.core.model import Container, ContId, Evidence, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from annotator.aix.inventory import Sighting

MAX_LIFETIMES, MAX_UNKNOWN, MAX_CONFLICTS = 64, 1024, 1000
"""Of one WPAR; names that no source knows; contradictions that are kept."""

UNTIMED = 2**62
"""The time of a look whose time is not known: all records are older, so it gives names (late), and no CID."""
SECOND_MS = 1000
"""What a printed trail's time stamps are exact to."""

Global = Literal["global"]


class Inventory:
    """All WPARs of one node, as its sources showed them over time.

    `inside` is None in Global, else the name of the WPAR we run in: what is called `Global` there is that WPAR.
    """

    def __init__(self, node: bytes = b"", boot: str = "", inside: str | None = None) -> None:
        self.node = node
        self.boot = boot
        self.inside = inside
        self.stale = True
        self.confirm: Callable[[WparLifetime, int], bool] | None = None
        """Whether a lifetime seen last before that time went on until then. None: it is believed (`HOLDS_MS`)."""
        self.live = False
        """Whether records are read as they come, so that the next look is soon to show what has changed."""
        self.hears_commands = False
        """Whether the trail has shown a command that starts or stops WPARs, so that another would be heard too."""
        self._wpars: dict[str, list[Wpar]] = {}
        self._unknown: OrderedDict[str, Container] = OrderedDict()
        self._conflicts: dict[Conflict, None] = {}

    @property
    def conflicts(self) -> list[Conflict]:
        """Every contradiction between sources, once."""
        return list(self._conflicts)

    def knows(self, name: str) -> bool:
        """Whether that name was ever seen."""
        return name in self._wpars

    def names(self) -> set[bytes]:
        """All names that were ever seen and are not removed; for the binary trail's unknown extensions."""
        return {name.encode() for name, generations in self._wpars.items() if generations[-1].gone_ms is None}

    # --- looking --------------------------------------------------------------------------------------------------

    def observe(
        self, sightings: Iterable[Sighting], at_ms: int, complete: Collection[str] = (), took_ms: int = 0
    ) -> None:
        """Take in one look at the machine, begun at `at_ms`: what it shows was so at some time of the look.

        So what went on is known to have done so until the look began, and what is new is known from its end on.
        `complete` names the sources whose list was whole: a WPAR that `perfstat` lacks is not running, one that
        `lswpar` lacks is removed.
        """
        by_name: dict[str, list[Sighting]] = {}
        for seen in sorted(sightings, key=lambda seen: rank(seen.source)):
            by_name.setdefault(seen.name, []).append(seen)
        for name, seen_all in by_name.items():
            if name in self._wpars or any(seen.source != "filesystems" for seen in seen_all):
                self._merge(name, seen_all, (at_ms, at_ms + took_ms), complete)
        for name, generations in self._wpars.items():
            sources = {seen.source for seen in by_name.get(name, ())}
            if "perfstat" in complete and "perfstat" not in sources:
                self._stop(generations[-1], at_ms)
            if "lswpar" in complete and "lswpar" not in sources and generations[-1].gone_ms is None:
                self._stop(generations[-1], at_ms)
                generations[-1].gone_ms = at_ms
        self._find_shared(at_ms)
        self.stale = False

    def hint(self, name: str, at_ms: int, span_ms: int = 0) -> None:
        """A command about this WPAR ("" when it was not told which) ran: from now on its CID is not known.

        It ran at `at_ms`, or within `span_ms` from then on, where the trail has whole seconds only: then nothing is
        known of that span either.
        """
        self.stale = True
        for generations in [self._wpars.get(name, [])] if name else self._wpars.values():
            for lifetime in generations[-1].lifetimes if generations else []:
                if lifetime.start_ms < at_ms + max(span_ms, 1) and (lifetime.holds(at_ms) or lifetime.start_ms > at_ms):
                    lifetime.until_ms = at_ms - 1 if span_ms else at_ms

    def removed(self, name: str, at_ms: int) -> None:
        """The WPAR is gone, and its name free: who has it afterwards is another. Of no known time: not believed."""
        generations = self._wpars.get(name, [])
        if generations and generations[-1].first_ms >= UNTIMED:
            del self._wpars[name]
        for wpar in generations:
            if wpar.first_ms <= at_ms and (wpar.gone_ms is None or at_ms < wpar.gone_ms):
                wpar.gone_ms = at_ms

    def _merge(self, name: str, sightings: list[Sighting], span: tuple[int, int], complete: Collection[str]) -> None:
        at_ms = span[0]
        generations = self._wpars.setdefault(name, [])
        fresh = {key: value for seen in reversed(sightings) for key, value in values_of(seen).items()}
        if not generations or generations[-1].gone_ms is not None or is_another(generations[-1].values, fresh):
            if generations and generations[-1].gone_ms is None:
                self._stop(generations[-1], at_ms)
                generations[-1].gone_ms = generations[-1].seen_ms
            generations.append(Wpar(name, at_ms))
            del generations[:-MAX_LIFETIMES]
        wpar = generations[-1]
        wpar.seen_ms = at_ms
        for seen in sightings:
            for attribute, given in values_of(seen).items():
                self._note(wpar.take(attribute, given))
        wpar.describe(self.node, self.boot)
        with_cid = next((seen for seen in sightings if seen.cid is not None), None)
        stopped = any(seen.state is not None and seen.state in "DB" for seen in sightings)
        if with_cid is None or (stopped and with_cid.source != "perfstat"):
            if stopped:
                self._stop(wpar, at_ms)
            return
        for seen in sightings:
            if seen.cid is not None and seen.cid != with_cid.cid:
                self._note(Conflict(name, "cid", str(with_cid.cid), with_cid.source, str(seen.cid), seen.source))
        if with_cid.source != "index" or "perfstat" not in complete:
            starts = (seen.start_ms for seen in sightings if seen.cid == with_cid.cid and seen.start_ms is not None)
            self._observe_running(wpar, replace(with_cid, start_ms=next(starts, None)), span)

    def _note(self, conflict: Conflict | None) -> None:
        if conflict is not None and len(self._conflicts) < MAX_CONFLICTS:
            self._conflicts.setdefault(conflict)

    def _observe_running(self, wpar: Wpar, seen: Sighting, span: tuple[int, int]) -> None:
        """The WPAR runs under this CID: the lifetime that is known goes on, or another has begun."""
        assert seen.cid is not None  # noqa: S101  (the caller chose it by this)
        at_ms, end_ms = span
        lifetime = wpar.lifetimes[-1] if wpar.lifetimes else None
        if lifetime and lifetime.goes_on(seen):
            lifetime.seen_ms = max(lifetime.seen_ms, at_ms)
            lifetime.init_ms = lifetime.init_ms if seen.start_ms is None else seen.start_ms
            lifetime.until_ms = None
            lifetime.source = min(lifetime.source, seen.source, key=rank)
            return
        if lifetime and lifetime.until_ms is None:
            lifetime.until_ms = lifetime.seen_ms
            lifetime.container.end_ms = at_ms if seen.start_ms is None else seen.start_ms
        after = -1 if lifetime is None else lifetime.until_ms or 0
        start = end_ms if seen.start_ms is None or not after < seen.start_ms <= end_ms else seen.start_ms
        container = Container(ContId(seen.cid), start_ms=start)
        wpar.lifetimes.append(WparLifetime(container, seen.cid, seen.source, start, max(start, at_ms), seen.start_ms))
        del wpar.lifetimes[:-MAX_LIFETIMES]
        wpar.describe(self.node, self.boot)

    def _stop(self, wpar: Wpar, at_ms: int) -> None:
        for lifetime in wpar.lifetimes[-1:]:
            if lifetime.container.end_ms is None:
                lifetime.until_ms = lifetime.seen_ms if lifetime.until_ms is None else lifetime.until_ms
                lifetime.container.end_ms = at_ms

    def _find_shared(self, at_ms: int) -> None:
        """Two WPARs under one CID: an older sighting has ended; two of the same look contradict each other."""
        holders: dict[int, WparLifetime] = {}
        newest = [generations[-1].lifetimes[-1] for generations in self._wpars.values() if generations[-1].lifetimes]
        running = [lifetime for lifetime in newest if lifetime.until_ms is None]
        for lifetime in sorted(running, key=lambda lifetime: -lifetime.seen_ms):
            other = holders.setdefault(lifetime.cid, lifetime)
            if other is lifetime:
                continue
            if lifetime.seen_ms < other.seen_ms:
                lifetime.until_ms = lifetime.seen_ms
                lifetime.container.end_ms = at_ms
            else:
                lifetime.container.shared = other.container.shared = True
                told = (str(lifetime.cid), other.source, lifetime.container.name, lifetime.source)
                self._note(Conflict(other.container.name, "cid", *told))

    # --- asking ---------------------------------------------------------------------------------------------------

    def container_for(self, name: str | bytes, at_ms: int, *, exact: bool = True) -> Container | Global | None:
        """What this name of a record meant at that time; when that is not `exact`, no lifetime of it is chosen.

        `"global"` for Global (None when we run inside a WPAR: there everything calls itself so); None for what cannot
        be a WPAR's name. A container without contid when the CID of that time was not seen, and without identity when
        the name was never seen, or not as one WPAR.
        """
        raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
        valid = wpar_name(raw)
        if valid is None:
            return None
        if valid == GLOBAL:
            return "global" if self.inside is None else None
        text = valid.decode("utf-8", "backslashreplace")
        generations = self._wpars.get(text)
        if not generations:
            self.stale = True
            return self._only_named(text)
        for wpar in reversed(generations):
            for lifetime in reversed(wpar.lifetimes) if exact else ():
                if self._stands(lifetime, at_ms):
                    return lifetime.container
            if wpar.first_ms <= at_ms and (wpar.gone_ms is None or at_ms <= wpar.gone_ms):
                return self._only_named(text) if self._may_be_another(wpar, at_ms) else wpar.named
        return generations[0].late if at_ms < generations[0].first_ms else self._only_named(text)

    def current(self, name: str) -> Container | None:
        """The WPAR of this name as the last look showed it, or None. A record asks `container_for`, with its time."""
        generations = self._wpars.get(name)
        return generations[-1].current if generations and generations[-1].gone_ms is None else None

    def _may_be_another(self, wpar: Wpar, at_ms: int) -> bool:
        """Whether the name may have been given away since the last look.

        It runs now, but did not then, or not under the CID that was seen; and no command of it would be heard.
        """
        was_known = bool(wpar.lifetimes) or wpar.get("state") in ("D", "B")
        return self.live and was_known and not self.hears_commands and at_ms > wpar.seen_ms

    def for_cid(self, cid: int, at_ms: int) -> Container | Reason | Global:
        """What this CID of a process meant at that time.

        0 is Global, but only where we run in Global; else HIDDEN. A CID that nothing named is a container with a
        contid and no name. AMBIGUOUS when two WPARs are said to hold it.
        """
        if cid == 0:
            return "global" if self.inside is None else Reason.HIDDEN
        wpars = (wpar for generations in self._wpars.values() for wpar in generations)
        lifetimes = [lifetime for wpar in wpars for lifetime in wpar.lifetimes]
        found = [lifetime.container for lifetime in lifetimes if lifetime.cid == cid and self._stands(lifetime, at_ms)]
        if len(found) > 1:
            return Reason.AMBIGUOUS
        if found:
            return found[0]
        self.stale = True
        return Container(ContId(cid), engine=ENGINE, node=self.node, boot=self.boot, identifiers={"cid": str(cid)})

    def _stands(self, lifetime: WparLifetime, at_ms: int) -> bool:
        """Whether this lifetime's CID was the WPAR's at that time, as far as can be shown."""
        if not lifetime.holds(at_ms):
            return False
        if at_ms <= lifetime.seen_ms or self.confirm is None or self.confirm(lifetime, at_ms):
            return True
        lifetime.until_ms = lifetime.seen_ms
        self.stale = True
        return False

    def evidence(self, container: Container, at_ms: int) -> Evidence:
        """How well a container's CID is known: INFERRED where only the corrals index gave it.

        Or where it was last seen before that time, and a command that ended it might not have been heard.
        """
        for generations in self._wpars.values():
            for wpar in generations:
                for lifetime in wpar.lifetimes:
                    if lifetime.container is container:
                        sure = lifetime.source != "index" and (self.hears_commands or at_ms <= lifetime.seen_ms)
                        return Evidence.INVENTORY if sure else Evidence.INFERRED
        return Evidence.INVENTORY

    def of_path(self, path: str) -> str | None:
        """The WPAR below whose base directory this Global path lies (an object, or the WPAR's own trail).

        Application WPARs have `/`: no path says anything about them.
        """
        found = ""
        best = 1
        for name, generations in self._wpars.items():
            base = (generations[-1].get("directory") or f"/wpars/{name}").rstrip("/")
            if len(base) > best and (path == base or path.startswith(base + "/")):
                found, best = name, len(base)
        return found or None

    def details(self, name: str) -> dict[str, str]:
        """Key, type, UUID, state (a letter), hostname and directory of the WPAR now called so, as far as known."""
        generations = self._wpars.get(name)
        return {key: value for key, (value, _) in generations[-1].values.items()} if generations else {}

    def _only_named(self, name: str) -> Container:
        """A container of which nothing but the name is known; the oldest are forgotten, since names cost nothing."""
        if name not in self._unknown:
            self._unknown[name] = Container(None, name=name, engine=ENGINE, node=self.node, boot=self.boot)
            if len(self._unknown) > MAX_UNKNOWN:
                self._unknown.popitem(last=False)
        return self._unknown[name]
