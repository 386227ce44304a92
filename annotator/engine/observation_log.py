"""What was seen of processes, and what a backend keeps beside it, written as it is seen and read back for a replay.

What nobody wrote down (before a run, between two runs, while the disk was full) is a `Gap` in the journal: whoever was
seen before it, and not again after it, is not believed to have gone on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from annotator.core.contracts import HostNetwork, HostProcess, known_as
from annotator.core.errors import EntryError, StoreError
from annotator.core.model import Container, Executed, Exited, Forked, Gap
from annotator.core.stats import Stats
from annotator.storage.facts import decode_fact, encode_fact
from annotator.storage.format import Entry, Header, read_journal
from annotator.storage.journal import Journal, journal_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from annotator.history import Observations
    from annotator.storage.facts import Stored
    from annotator.storage.format import Entries

FILE_BYTES = 64 << 20
"""Bytes of one file of a journal, where it may take so many."""


class Journaling:
    """Writes what was seen. Times are those of the sighting, not of the writing.

    Each call says whether a new file was begun, or the disk takes entries again: then all that lives is to be told
    again. What could not be written is counted in `stats`, and `tell` hears why, once for each time it begins.
    `notice` is what was found wrong with the file that was there, "" for nothing.
    """

    def __init__(
        self,
        path: Path,
        header: Header,
        stats: Stats | None = None,
        tell: Callable[[str], None] | None = None,
        *,
        max_bytes: int = 9 * FILE_BYTES,
        max_age_s: float = 0,
    ) -> None:
        """Open the journal; all its files together take `max_bytes` at most. StoreError when it cannot be opened."""
        keep = min(8, max(1, max_bytes // FILE_BYTES - 1))
        self.journal = Journal(path, header, max_bytes=max_bytes // (keep + 1), keep=keep, max_age_s=max_age_s)
        self.notice = self.journal.notice
        self.offset_ns = header.offset_ns
        self._stats = stats or Stats()
        self._stats.store_cut_bytes += self.journal.cut
        self._tell = tell
        self._gap = True  # nobody saw what came before
        self._failed = False
        self._held = 0

    def observed(self, node: bytes, seen: HostProcess) -> bool:  # noqa: ARG002  (the header has the node)
        """One look at one process."""
        return self._fact(seen.read_ms * 1_000_000, seen)

    def network(self, found: HostNetwork) -> bool:
        """One reading of a network namespace."""
        return self._fact(found.read_ms * 1_000_000, found)

    def forked(self, parent: int, child: int, ns: int) -> bool:
        """A birth, pids of the first namespace."""
        return self._fact(ns, Forked(parent, child, trusted=True))

    def executed(self, pid: int, ns: int) -> bool:
        """A program was begun; which, the look after it says."""
        return self._fact(ns, Executed(pid, b""))

    def exited(self, pid: int, ns: int) -> bool:
        """An end."""
        return self._fact(ns, Exited(pid))

    def append(self, realtime_ns: int, kind: str, body: Mapping[str, Any]) -> bool:
        """Whatever was seen, as an entry: for kinds that this module does not know."""
        again = False
        try:
            if self._gap:
                again = self._failed
                self._put(realtime_ns, *encode_fact(Gap(0)))
                self._gap = False
            return self._put(realtime_ns, kind, body) or again
        except EntryError:
            self._stats.store_failed += 1
            return again
        except StoreError as err:
            self._lost(err, 1)
            return False

    def flush(self) -> None:
        """Hand what is held to the system."""
        try:
            self.journal.flush()
        except StoreError as err:
            self._lost(err, 0)
        else:
            self._failed = self._failed and self._gap
            self._held = 0

    def close(self) -> None:
        """Write what is held."""
        try:
            self.journal.close()
        except StoreError as err:
            self._lost(err, 0)

    def _fact(self, realtime_ns: int, fact: Stored) -> bool:
        try:
            kind, body = encode_fact(fact)
        except EntryError:
            self._stats.store_failed += 1
            return False
        return self.append(realtime_ns, kind, body)

    def _put(self, realtime_ns: int, kind: str, body: Mapping[str, Any]) -> bool:
        begun = self.journal.append(Entry(realtime_ns, realtime_ns - self.offset_ns, kind, body))
        self._held += 1
        return begun

    def _lost(self, err: StoreError, more: int) -> None:
        """The disk refused: all that waited is lost too."""
        self._stats.store_failed += self._held + more
        self._held = 0
        self._gap = True
        if self._tell is not None and not self._failed:
            self._tell(err.what)
        self._failed = True


class EntryReader(Protocol):
    """Reads entries of a kind that only a backend knows. `skipped` counts those that it could not use."""

    skipped: int

    def gap(self) -> None:
        """Entries may be missing here: in the file, or between two files."""
        ...

    def take(self, realtime_ns: int, body: Mapping[str, Any]) -> None:
        """The body of an entry that was written at this time (Unix ns)."""
        ...


class Loaded:
    """What journals told: processes go to `observations`, entries of other kinds to their `readers`.

    `node` is whose they are, b"" where none says: of records of other nodes nothing is known. `stats` counts what could
    not be used. `has_inventory` tells the containers that are in no registry: here the same one is one object.
    """

    def __init__(
        self,
        observations: Observations,
        stats: Stats,
        readers: Mapping[str, EntryReader] | None = None,
        has_inventory: Callable[[Container], bool] | None = None,
    ) -> None:
        self.observations = observations
        self.stats = stats
        self.node = b""
        self._readers = readers or {}
        self._has_inventory = has_inventory
        self._last_ms = 0.0
        self._same: dict[tuple[object, ...], Container] = {}

    def load(self, path: Path, node: bytes) -> None:
        """Read a journal, its whole rotated set. StoreError when it is none, or of another node than `node`."""
        for one in journal_files(path) or [path]:
            header, entries = read_journal(one)
            try:
                self._is_of(one, header.node, node)
            except StoreError:
                entries.close()
                raise
            self._read(entries)
            if entries.lost:
                self._gap()
            self.stats.store_cut_bytes += entries.lost
            self.stats.facts_skipped += entries.skipped

    def _read(self, entries: Entries) -> None:
        """All entries of one file."""
        readers = self._readers.values()
        before = sum(reader.skipped for reader in readers)
        self._interrupt()
        skipped = 0
        for entry in entries:
            if entries.skipped != skipped:
                self._interrupt()  # it may have been of their kind
                skipped = entries.skipped
            if entry.kind in self._readers:
                self._readers[entry.kind].take(entry.realtime_ns, entry.body)
                continue
            fact = decode_fact(entry.kind, entry.body)
            if isinstance(fact, Gap):
                self._interrupt()
            self._take(fact, entry.realtime_ns / 1e6)
        self.stats.facts_skipped += sum(reader.skipped for reader in readers) - before

    def _interrupt(self) -> None:
        for reader in self._readers.values():
            reader.gap()

    def _is_of(self, path: Path, node: bytes, wanted: bytes) -> None:
        """Note whose journal this is. StoreError when it is not of the node that is wanted, or another than before."""
        for other in (wanted, self.node):
            if node and other and node not in known_as(other) and other not in known_as(node):
                raise StoreError(
                    f"{path}: this journal is of node {node.decode('utf-8', 'backslashreplace')!r}, "
                    f"not {other.decode('utf-8', 'backslashreplace')!r}",
                    "Give the journal of the host the log is from, and of one host at a time.",
                )
        self.node = self.node or node
        if node:
            self.observations.names = (self.observations.names or frozenset()) | known_as(node) | known_as(wanted)

    def _take(self, fact: Stored | None, ms: float) -> None:
        observations = self.observations
        if isinstance(fact, HostProcess):
            inside = self._one(fact.container)
            observations.observed(b"", fact if inside is fact.container else replace(fact, container=inside))
        elif isinstance(fact, Forked):
            observations.forked(b"", fact.parent, fact.child, ms)
        elif isinstance(fact, Executed):
            observations.executed(b"", fact.pid, ms)
        elif isinstance(fact, Exited):
            observations.exited(b"", fact.pid, ms)
        elif isinstance(fact, HostNetwork):
            observations.addresses.read(fact)
        elif isinstance(fact, Gap):
            self._gap()
        else:
            self.stats.facts_skipped += 1
        self._last_ms = max(self._last_ms, ms)

    def _gap(self) -> None:
        """From the last entry on nobody saw who ended: those that live on are seen again."""
        for pid in self.observations.living(b""):
            self.observations.exited(b"", pid, self._last_ms)

    def _one(self, seen: Container | None) -> Container | None:
        """The same container of an inventory is one object; of others the registry says which are the same."""
        if seen is None or self._has_inventory is None or not self._has_inventory(seen):
            return seen
        return self._same.setdefault((seen.contid, seen.id, seen.name, seen.start_ms), seen)
