"""The containers of a machine, by cgroup, contid, tag or sandbox: each made once, and named by its engine's files.

The core unites these with the containers of the log by their ids; here an object is kept only so that two processes of
one container have the same one.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from annotator.core.contracts import NO_ENGINE
from annotator.core.model import Container, Ns
from annotator.linux.engines.state import is_full_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import ContId
    from annotator.linux.cgroup.identify import CgroupContainer, CgroupIdentity
    from annotator.linux.contid.ptags import Tag
    from annotator.linux.engines import Engines, EngineState

MAX_CONTAINERS: Final = 16_384
"""Containers that are remembered; those not seen longest are forgotten first."""

RETRY_MS: Final = 1000
"""How long an engine that did not know a container, or a name, is not asked again about it."""

EARLY_MS: Final = 20
"""The same while a name is new: its cgroup is there before the engine writes down what is in it."""

_OWNER: Final = re.compile(rb"/user-([0-9]{1,10})\.slice/")
_KEYS = tuple[str, str, int, int]


class HostContainers:
    """The containers of one machine in one boot. `derive` gives the contid of an engine's id.

    `engines` None: nothing is known but what the texts say; names that need a confirmation are then not believed.
    """

    def __init__(
        self,
        derive: Callable[[str], ContId],
        now: Callable[[], int],
        engines: Engines | None = None,
        *,
        node: bytes = b"",
        boot: str = "",
    ) -> None:
        self._derive = derive
        self._now = now
        self._engines = engines
        self._node = node
        self._boot = boot
        self._known: OrderedDict[_KEYS, Container] = OrderedDict()
        self._asked: OrderedDict[_KEYS, tuple[int, EngineState | None, int]] = OrderedDict()

    # --- by cgroup ----------------------------------------------------------------------------------------------

    def of_cgroup(self, identity: CgroupIdentity, text: bytes, own: Ns | None) -> Container | None:
        """The innermost container that is certain, or that an engine confirms, inside those around it.

        A user may name the cgroups of a slice that was delegated to him as he likes: there his engine has to confirm.
        """
        if identity.container is None:
            return None
        owner = owner_of(text)
        parent: Container | None = None
        for named in (*identity.outer[::-1], identity.container):
            if not (named.confirm or owner) or self._confirmed(named, owner, text, own):
                parent = self._engine(named, owner, own, parent)
        return parent

    def _confirmed(self, named: CgroupContainer, owner: int, text: bytes, own: Ns | None) -> bool:
        """An engine has a container of this name, whose cgroup can be this one, and may speak for this process."""
        state = self._state(named.id, named.engine, owner, own)
        return state is not None and not state.gone and _in_cgroup(state.cgroup, text)

    def _engine(self, named: CgroupContainer, owner: int, own: Ns | None, parent: Container | None) -> Container:
        state = self._state(named.id, named.engine, owner, own)
        key = _key(named.id, named.engine, state, parent)
        container = self._known.get(key)
        if container is None or container.parent is not parent:
            container = self._make(key, self._derive(named.id), named.id, parent)
            container.engine = named.engine
            container.name = named.name
            container.pod = named.pod
            container.owner = owner
        self._known.move_to_end(key)
        if state is not None:
            _describe(container, state)
        return container

    def of_state(self, state: EngineState) -> Container:
        """The container that an engine's files describe, where its processes show none themselves."""
        key = _key(state.id, state.engine, state, None)
        container = self._known.get(key) or self._make(key, self._derive(state.id), state.id)
        _describe(container, state)
        return container

    def _state(self, id_: str, engine: str, owner: int, own: Ns | None) -> EngineState | None:
        """The container in the engine's files; an id that they do not know is asked again only after a while.

        A rootless user's files speak only for processes in a user namespace of their own.
        """
        if self._engines is None:
            return None
        key, now = (id_, engine, owner, 0), self._now()
        asked = self._asked.get(key)
        if asked is None or not 0 <= now - asked[0] < _again_ms(*asked):
            first = asked[2] if asked is not None else now
            asked = (now, self._engines.lookup(id_, engine=engine, owner=owner or None), first)
            self._asked[key] = asked
            if len(self._asked) > MAX_CONTAINERS:
                self._asked.popitem(last=False)
        state = asked[1]
        if state is not None and state.owner and (own is None or not own & Ns.USER):
            return None
        return state

    # --- by number, tag, namespace ------------------------------------------------------------------------------

    def of_contid(self, contid: ContId, named: Container | None) -> Container:
        """The container of a kernel's contid; `named` is what the cgroup says it is, if anything."""
        key = ("", "contid", int(contid), id(named))
        container = self._known.get(key)
        if container is None:
            container = self._make(key, contid, named.id if named is not None else "")
        if named is not None:
            container.engine = named.engine
            container.name = named.name
            container.image = named.image
            container.owner = named.owner
            container.pod, container.pod_name, container.namespace = named.pod, named.pod_name, named.namespace
            container.labels = named.labels
        self._known.move_to_end(key)
        return container

    def of_tags(self, tags: tuple[Tag, ...]) -> Container | None:
        """The container that a site's tags say, nearest first."""
        parent: Container | None = None
        for tag in reversed(tags):
            contid = tag.contid if tag.contid is not None else self._derive(tag.id)
            key = (tag.id, "tag", int(contid), id(parent))
            container = self._known.get(key)
            if container is None or container.parent is not parent:
                container = self._make(key, contid, tag.id, parent)
                container.name = tag.name
                container.image = tag.image
                container.engine = tag.engine
                container.uuid = tag.uuid
            self._known.move_to_end(key)
            parent = container
        return parent

    def sandbox(self, id_: str, name: str, owner: int, parent: Container | None) -> Container:
        """A container without an engine, known by its namespaces. `name` is the program that made it ("": unknown).

        `id_` is one of this boot; with the boot's it is nobody else's, on no machine.
        """
        id_ = f"{id_}/{self._boot.replace('-', '')[:16]}" if self._boot else id_
        key = (id_, NO_ENGINE, 0, 0)
        container = self._known.get(key)
        if container is None:
            container = self._make(key, self._derive(id_), id_, parent)
            container.engine, container.name, container.owner = NO_ENGINE, name, owner
        self._known.move_to_end(key)
        return container

    def _make(self, key: _KEYS, contid: ContId, id_: str, parent: Container | None = None) -> Container:
        container = Container(contid, id_, parent=parent, node=self._node, boot=self._boot)
        self._known[key] = container
        if len(self._known) > MAX_CONTAINERS:
            self._known.popitem(last=False)
        return container


def _key(id_: str, engine: str, state: EngineState | None, parent: Container | None) -> _KEYS:
    """A full id is never given again; a name may be: the birth of its init tells that container from the next one."""
    if is_full_id(id_):
        return (id_, "", id(parent), 0)
    return (id_, engine, id(parent), (state.init_ticks or 0) if state is not None else 0)


def _again_ms(asked: int, state: EngineState | None, first: int) -> int:
    """After how long a question is asked again that was first asked at `first`, and last at `asked`."""
    if state is not None and state.name:
        return 10_000
    return EARLY_MS if state is None and 0 <= asked - first < RETRY_MS else RETRY_MS


def owner_of(text: bytes) -> int:
    """The user in whose slice this cgroup is (systemd's `user-UID.slice`), 0 for everything else."""
    match = _OWNER.search(text)
    return min(int(match[1]), 2**32 - 1) if match is not None else 0


def _in_cgroup(engine_path: str, text: bytes) -> bool:
    """Whether the cgroup an engine wrote down can be this one; true when it wrote none, or systemd's `a:b:c`."""
    if not engine_path.startswith("/") or ":" in engine_path:
        return True
    path = engine_path.rstrip("/").encode("utf-8", "surrogateescape")
    return any((line.split(b":", 2)[-1] + b"/").find(path + b"/") >= 0 for line in text.split(b"\n") if line)


def _describe(container: Container, state: EngineState) -> None:
    """Names from the engine's files, whenever they come; what is known stays."""
    before = container.version
    for attribute in ("name", "image", "pod", "pod_name", "namespace", "uuid"):
        value = getattr(state, attribute)
        if value and not getattr(container, attribute):
            setattr(container, attribute, value)
            container.version = before + 1
    if state.engine and container.engine != state.engine:
        container.engine, container.version = state.engine, before + 1
    if state.labels and not container.labels:
        container.labels, container.version = dict(state.labels), before + 1
    container.owner = container.owner or state.owner
    container.late_name = container.late_name or (state.late and bool(state.name))
