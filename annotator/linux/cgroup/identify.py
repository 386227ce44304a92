"""The text of `/proc/PID/cgroup` to the container of the process. Pure: nothing is opened or kept.

Facts (proc(5), cgroups(7), kernel/cgroup/cgroup.c proc_cgroup_show):

- A line is `hierarchy-id:controllers:path`; `0::` is cgroup v2. The path may hold `:`, blanks and any byte but newline.
- No line is always right: with one engine the v2 line is its daemon's unit, with another the v1 lines are all `/`.
  So all are read, and the one that says most is taken.
- v1 lines of a zombie are `/` whatever the truth was; its v2 line stays true. A removed v2 cgroup shows ` (deleted)`.
- Paths are relative to the *reader's* cgroup namespace, and begin with `/..` when the process is outside of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from annotator.linux.cgroup.path import CgroupContainer, CgroupRole, Helper, PathReading
from annotator.linux.cgroup.patterns import read_path

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_TEXT", "CgroupContainer", "CgroupIdentity", "CgroupRole", "Helper", "identify"]

MAX_TEXT: Final = 64 * 1024
"""Bytes of text that are read. A real one has some 15 lines; a path ends at 4,096 bytes (PATH_MAX)."""


@dataclass(frozen=True, slots=True)
class CgroupIdentity:
    """The containers, pods and helpers that a text names.

    `container` is the innermost one (role CONTAINER or BUILD), `outer` those around it, nearest first; any of them with
    `confirm` set is to be believed only after `confirmed`. None is not "host": see `host`.
    `pod` is a pod whose own cgroup it is, below `container`, in none of the pod's containers (conmon, gVisor, Kata).
    `workload` is an application sandbox or virtual machine below `container`: its processes are not in a container.
    `helper` is set for an engine's own process, `helps` the id of the container it serves, if the path has it.
    `shared` is the engine that keeps containers and helpers in this same cgroup (rootless podman with cgroupfs).
    `hidden`: the paths are relative to another cgroup namespace than the host's, so what is further out is not seen.
    `all_root`: no line names any cgroup but `/`; or there is no line that counts. Nothing is known of a zombie then.
    `deleted`: the v2 cgroup is gone. `partial`: lines were left out (a zombie's v1 lines, text beyond MAX_TEXT).
    `ambiguous`: another line names a container that is not among these.
    """

    container: CgroupContainer | None = None
    outer: tuple[CgroupContainer, ...] = ()
    pod: str = ""
    workload: CgroupContainer | None = None
    helper: Helper | None = None
    helps: str = ""
    shared: str = ""
    hidden: bool = False
    all_root: bool = False
    deleted: bool = False
    partial: bool = False
    ambiguous: bool = False

    @property
    def host(self) -> bool:
        """True when the text shows a place outside every container; `all_root` is for the caller to judge."""
        if self.container is not None or self.hidden or self.all_root or self.partial or self.shared:
            return False
        return not self.pod or self.helper is not None

    def confirmed(self, known: Callable[[CgroupContainer], bool]) -> CgroupIdentity:
        """The same with only those containers that are certain, or that `known` (an engine's state) knows."""
        if self.container is None:
            return self
        chain = [c for c in (self.container, *self.outer) if not c.confirm or known(c)]
        return replace(self, container=chain[0] if chain else None, outer=tuple(chain[1:]))


def identify(text: bytes, *, zombie: bool = False, reader_root: bool = True) -> CgroupIdentity:
    """Read the text of `/proc/PID/cgroup`. Never raises.

    `zombie`: the process was in state Z or X while reading; only the `0::` line counts.
    `reader_root`: we read from the host's cgroup namespace; false says that no path shows all that is around it.
    """
    paths, deleted, partial = _paths(text, zombie)
    best, ambiguous = _best([read_path(path) for path in paths if path != b"/"])
    chain = best.chain[::-1]
    return CgroupIdentity(
        container=chain[0] if chain else None,
        outer=chain[1:],
        pod=best.pod,
        workload=best.workload,
        helper=best.helper,
        helps=best.helps,
        shared=best.shared,
        hidden=not reader_root or any(path.startswith(b"/..") and path[3:4] in (b"", b"/") for path in paths),
        all_root=not any(path != b"/" for path in paths),
        deleted=deleted,
        partial=partial,
        ambiguous=ambiguous,
    )


def _paths(text: bytes, zombie: bool) -> tuple[dict[bytes, None], bool, bool]:
    """Each path that counts, once; whether the v2 one is of a removed cgroup; whether any line was left out."""
    partial = deleted = False
    if len(text) > MAX_TEXT:
        text, partial = text[: text.rfind(b"\n", 0, MAX_TEXT) + 1], True
    paths: dict[bytes, None] = {}
    for line in text.split(b"\n"):
        fields = line.split(b":", 2)
        if len(fields) != 3 or not fields[2].startswith(b"/"):
            continue
        number, controllers, path = fields
        if number == b"0" and not controllers:
            if path.endswith(b" (deleted)"):
                path, deleted = path[:-10], True
        elif zombie:
            partial = True
            continue
        paths[path] = None
    return paths, deleted, partial


def _best(readings: list[PathReading]) -> tuple[PathReading, bool]:
    """The reading with the most certain containers, and whether another one names a container it does not have."""
    if not readings:
        return PathReading(), False
    if len(readings) == 1:
        return readings[0], False
    best = max(readings, key=_weight)
    ids = {c.id for c in best.chain}
    others = (c for reading in readings for c in reading.chain)
    return best, any(not c.confirm and c.id not in ids for c in others)


def _weight(reading: PathReading) -> tuple[int, ...]:
    """Deepest nesting first, then a known engine, an engine's helper, a pod, and last what needs confirmation."""
    certain = [c for c in reading.chain if not c.confirm]
    return (
        len(certain),
        sum(bool(c.engine) for c in certain),
        sum(bool(c.pod or c.task) for c in certain),
        reading.helper is not None,
        bool(reading.pod) or reading.workload is not None or bool(reading.shared),
        len(reading.chain),
    )
