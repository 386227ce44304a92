"""From a container's id to its names, by the files of whichever engine made it.

A question costs a few file reads (the path follows from the id), each bounded and none waiting; what was read is kept
until the file changes. The last answer for a full id outlives the files, because events of a removed container still
come. The state of a rootless user is that user's word: whoever asks must hold the answer's `owner` against the process.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from annotator.linux.engines import containerd, crio, docker, lxc, machined, oci, podman, users
from annotator.linux.engines.files import Files
from annotator.linux.engines.state import EngineState, is_full_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MAX_KEPT: Final = 8192
"""Containers whose last state is kept, and questions without an answer that are remembered."""

MAX_SCANNED: Final = 16384
"""Containers of one start-up scan."""

_LXC_NAMES: Final = frozenset({"lxc", "incus", "lxd"})
_OCI_NAMES: Final = frozenset({"runc", "crun"})
_CTR_NAMES: Final = frozenset({"containerd", "ctr", "nerdctl"})
_MACHINE_NAMES: Final = frozenset({"systemd-nspawn", "nspawn", "machined", "libvirt-lxc"})


class Engines:
    """The engines of the machine whose file system is at `root`. Raises OSError only when `root` cannot be opened.

    `owners` false believes files whoever they belong to: for a recorded tree that lost its owners.
    """

    def __init__(self, root: Path, *, owners: bool = True) -> None:
        self._files = Files(root, owners=owners)
        self._last: OrderedDict[str, EngineState] = OrderedDict()
        self._missed: OrderedDict[str, None] = OrderedDict()

    def close(self) -> None:
        """Give the root back; afterwards nothing new is found."""
        self._files.close()

    def lookup(self, id: str, *, engine: str = "", owner: int | None = None) -> EngineState | None:
        """The container of this id, in full: a beginning of an id finds nothing.

        `engine` is asked first; where the id is a free-form name it is asked only (see `confirm`). `owner` asks that
        user's engines alone; None asks root's, and when they do not know it, those of all users present (an id that
        two of them claim has no answer). After the files are gone the last answer is given again, `gone`, for an id
        of 64 hex digits; a name may come back as another container, so it is not.
        """
        if not is_full_id(id):
            return self.confirm(id, engine, owner=owner)
        found = self._root(id, engine) if not owner else None
        if found is None and owner != 0:
            found = self._users(id, owner)
        return self._remember(id, found, owner)

    def confirm(self, name: str, engine: str = "", *, owner: int | None = None) -> EngineState | None:
        """The one container that now has this free-form name: runc, crun, ctr, LXC, Incus, nspawn.

        None when no engine knows it, or when several do and `engine` does not say which. "lxc" means any that uses
        liblxc, for their cgroups look alike. The words for `engine` are those of `EngineState.engine`.
        """
        if not owner:
            found = self._named(name, engine)
            if found:
                return _only(found)
        if owner == 0:
            return None
        return _only([state for uid in self._asked(owner) for state in self._users_named(name, engine, uid)])

    def scan(self) -> list[EngineState]:
        """Every container the engines know now, also stopped ones, for the start. Each is given once."""
        found: dict[tuple[int, str, str], EngineState] = {}
        for state in self._all():
            key = (state.owner, "" if is_full_id(state.id) else state.engine, state.id)
            found.setdefault(key, state)
            if len(found) >= MAX_SCANNED:
                break
        for state in found.values():
            if is_full_id(state.id) and not (state.owner and state.id in self._last):
                self._keep(state)
        return list(found.values())

    def _root(self, id: str, engine: str) -> EngineState | None:
        ways = {
            "docker": lambda: docker.lookup(self._files, id),
            "podman": lambda: podman.lookup(self._files, id),
            "cri-o": lambda: crio.lookup(self._files, id),
            "containerd": lambda: containerd.lookup(self._files, id),
            "": lambda: _only(oci.claims(self._files, id)),
        }
        for name in sorted(ways, key=lambda name: (not name, name != engine)):
            found = ways[name]()
            if found is not None:
                return found
        return None

    def _users(self, id: str, owner: int | None) -> EngineState | None:
        claims = []
        for uid in self._asked(owner):
            home = users.home(self._files, uid)
            found = podman.lookup(self._files, id, owner=uid, home=home)
            found = found or docker.lookup(self._files, id, owner=uid, home=home)
            found = found or _only(oci.claims(self._files, id, owner=uid))
            if found is not None:
                claims.append(found)
        return _only(claims)

    def _asked(self, owner: int | None) -> list[int]:
        return users.present(self._files) if owner is None else [owner]

    def _named(self, name: str, engine: str) -> list[EngineState]:
        files = self._files
        found: list[EngineState] = []
        if engine in _OCI_NAMES | {""}:
            found += oci.claims(files, name, engine=engine)
        if engine in _CTR_NAMES | {""}:
            found += containerd.claims(files, name)
        if engine in _LXC_NAMES | {""}:
            found += lxc.claims(files, name, engine="" if engine == "lxc" else engine)
        if engine in _MACHINE_NAMES | {""}:
            machine = machined.find(files, name, engine=engine)
            found += [machine] if machine is not None else []
        return found

    def _users_named(self, name: str, engine: str, uid: int) -> list[EngineState]:
        found: list[EngineState] = []
        if engine in _OCI_NAMES | {""}:
            found += oci.claims(self._files, name, owner=uid, engine=engine)
        if engine in {"", "lxc"}:
            found += lxc.claims(self._files, name, owner=uid, home=users.home(self._files, uid))
        return found

    def _all(self) -> Iterable[EngineState]:
        files = self._files
        parts: list[Iterator[EngineState]] = [
            docker.scan(files), crio.scan(files), podman.scan(files), containerd.scan(files),
            oci.scan(files), lxc.scan(files), machined.scan(files),
        ]  # fmt: skip
        for uid in users.present(files):
            home = users.home(files, uid)
            parts += [
                podman.scan(files, owner=uid, home=home), docker.scan(files, owner=uid, home=home),
                oci.scan(files, owner=uid), lxc.scan(files, owner=uid, home=home),
            ]  # fmt: skip
        return chain.from_iterable(parts)

    def _remember(self, id: str, found: EngineState | None, owner: int | None) -> EngineState | None:
        """The answer, with what an earlier one knew; the earlier one when there is none now."""
        last = self._last.get(id)
        if last is not None and owner is not None and last.owner != owner:
            last = None
        if found is None:
            if last is None:
                _bounded(self._missed, id, None)
                return None
            return replace(last, gone=True)
        if last is not None and last.owner == found.owner:
            found = _merged(found, last)
        elif id in self._missed:
            found = replace(found, late=bool(found.name))
        self._missed.pop(id, None)
        if last is None or not found.owner or found.owner == last.owner:
            self._keep(found)
        return found

    def _keep(self, state: EngineState) -> None:
        _bounded(self._last, state.id, state)


def _only(claims: list[EngineState]) -> EngineState | None:
    """The one answer: two are none."""
    return claims[0] if len(claims) == 1 else None


def _merged(now: EngineState, last: EngineState) -> EngineState:
    """What is said now; what is not said any more (files go one after the other) as it was said before."""
    late = last.late or bool(now.name and not last.name)
    return replace(
        now,
        name=now.name or last.name,
        image=now.image or last.image,
        labels=now.labels or last.labels,
        pod=now.pod or last.pod,
        pod_name=now.pod_name or last.pod_name,
        namespace=now.namespace or last.namespace,
        created_ms=now.created_ms if now.created_ms is not None else last.created_ms,
        sandbox=now.sandbox or last.sandbox,
        cgroup=now.cgroup or last.cgroup,
        rootfs=now.rootfs or last.rootfs,
        late=late,
    )


def _bounded(kept: OrderedDict[str, EngineState] | OrderedDict[str, None], id: str, value: EngineState | None) -> None:
    kept[id] = value  # type: ignore[assignment]  # each caller puts its own kind in
    kept.move_to_end(id)
    if len(kept) > MAX_KEPT:
        kept.popitem(last=False)
