"""The containers: contid and engine id to container, nesting, names, life and death. Not who is inside.

An entry is keyed (node, boot, contid, start): a contid or an id that is used again is another entry. On a stock kernel
the contid is derived from the engine's id alone, so that it is the same on every host and at every replay.

Budget: the tables by number, by id and in time change together, so they have one owner.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from annotator.core.model import CONTID_UNSET, NOT_SAVED, Chain, Container, ContId, Named, Stamp

_HEX64 = re.compile(r"[0-9a-f]{64}")


def derive_contid(engine_id: str) -> ContId:
    """The contid of an engine's container: the first 16 digits of a 64-digit id, else BLAKE2b-64 of the id's bytes.

    Never 0 or unset: the digest is taken again of the digest.
    """
    if _HEX64.fullmatch(engine_id):
        number = int(engine_id[:16], 16)
    else:
        number = int.from_bytes(hashlib.blake2b(engine_id.encode("utf-8", "surrogateescape"), digest_size=8).digest())
    data = engine_id.encode("utf-8", "surrogateescape")
    while number in (0, CONTID_UNSET):
        data = hashlib.blake2b(data, digest_size=8).digest()
        number = int.from_bytes(data)
    return ContId(number)


@dataclass(slots=True)
class Containers:
    """One node's containers: the live ones by contid and by engine id, and all that are remembered.

    An id is unique to an engine's user only, and inside one container: whoever is elsewhere may use the same.
    `numbered`: the node shows kernel contid records, so that no number is derived. `linked`: a SYSCALL record says by
    itself whether its process has one (V10 on).
    """

    boot: str = ""
    numbered: bool = False
    linked: bool = False
    by_contid: dict[ContId, Container] = field(default_factory=dict, metadata=NOT_SAVED)
    by_id: dict[str, list[Container]] = field(default_factory=dict, metadata=NOT_SAVED)
    remembered: list[Container] = field(default_factory=list, metadata=NOT_SAVED)


class Registry:
    """The authority on containers. `max_containers` bounds what is remembered per node: ended ones go first."""

    def __init__(self, *, max_containers: int = 16_384) -> None:
        self.nodes: dict[bytes, Containers] = {}
        self.max_containers = max_containers
        self.version = 0
        """Grows whenever an answer given before might differ now."""

    def node(self, name: bytes) -> Containers:
        """The node's containers; at most 4096 nodes."""
        node = self.nodes.get(name)
        if node is None:
            if len(self.nodes) >= 4096:
                self.nodes.pop(next(iter(self.nodes)))
            node = self.nodes[name] = Containers()
        return node

    def _peek(self, name: bytes) -> Containers:
        """The same, for questions: of a node that is not known an empty one, which is not kept."""
        return self.nodes.get(name) or Containers()

    # --- by contid (a kernel with contid records) ---------------------------------------------------------------

    def registered(self, name: bytes, contid: ContId, outer: tuple[ContId, ...], stamp: Stamp) -> Container:
        """The live container of this number; a new entry when there is none, or when it stands elsewhere now."""
        node = self._numbered(name)
        container = node.by_contid.get(contid)
        parent = self.chain(name, outer, stamp)[0] if outer else None
        if container is not None and (container.parent is parent or not outer):
            return container
        return self._add(node, Container(contid, node=name, parent=parent, start_ms=stamp.ms))

    def chain(self, name: bytes, contids: tuple[ContId, ...], stamp: Stamp) -> Chain:
        """The containers of a stated chain, nearest first; those not known yet are entered."""
        node = self._numbered(name)
        parent: Container | None = None
        for contid in reversed(contids[:16]):
            container = node.by_contid.get(contid)
            if container is None or (parent is not None and container.parent is not parent):
                container = self._add(node, Container(contid, node=name, parent=parent, start_ms=stamp.ms))
            parent = container
        return parent.chain() if parent is not None else ()

    def numbered_chain(self, name: bytes, contids: tuple[ContId, ...]) -> Chain:
        """The same, and nothing is entered: numbers that are not known are in entries outside the registry."""
        known = self._peek(name).by_contid
        parent: Container | None = None
        for contid in reversed(contids[:16]):
            container = known.get(contid)
            if container is None or (parent is not None and container.parent is not parent):
                container = Container(contid, node=name, parent=parent)
            parent = container
        return parent.chain() if parent is not None else ()

    def _numbered(self, name: bytes) -> Containers:
        """The node's containers, on which only the kernel's numbers count from now on: derived ones are taken back."""
        node = self.node(name)
        if not node.numbered:
            node.numbered = True
            for container in node.remembered:
                if container.id and container.contid == derive_contid(container.id):
                    if node.by_contid.get(container.contid) is container:
                        del node.by_contid[container.contid]
                    container.contid = None
                    container.version += 1
            self.version += 1
        return node

    def derived(self, name: bytes, engine_id: str) -> ContId | None:
        """The contid of an engine's container on this node; None where the kernel gives the numbers."""
        return None if self._peek(name).numbered else derive_contid(engine_id)

    def is_linked(self, name: bytes) -> bool:
        """Whether a SYSCALL record of this node shows by itself whether its process has a contid."""
        return self._peek(name).linked

    def number(self, container: Container, contid: ContId) -> None:
        """The kernel's number of an engine's container."""
        container.contid = contid
        container.version += 1
        self.node(container.node).by_contid.setdefault(contid, container)

    def numbered(self, name: bytes, contid: ContId) -> Container | None:
        """The live container of this number."""
        return self._peek(name).by_contid.get(contid)

    # --- by engine id (a stock kernel) --------------------------------------------------------------------------

    def known(
        self, name: bytes, engine_id: str, *, owner: int | None = None, inside: Container | None = None
    ) -> Container | None:
        """The live container of this engine id, as one who is `inside` (None: on the host) can mean it.

        It is that of `owner`: what root's engine names is root's. None may mean anybody's, when only one has the id.
        A container that has but the kernel's number is no engine's: from the host what is inside it is seen too.
        """
        near = [
            one
            for one in self._peek(name).by_id.get(engine_id, ())
            if (
                not any(outer.id for outer in one.chain()[1:])
                if inside is None
                else one is not inside and inside in one.chain()
            )
        ]
        if owner is None:
            return near[0] if len(near) == 1 else next((one for one in near if one.owner == 0), None)
        return next((one for one in reversed(near) if one.owner == owner), None)

    def of_id(self, name: bytes, engine_id: str) -> list[Container]:
        """All live containers of this engine id, whosever they are."""
        return list(self._peek(name).by_id.get(engine_id, ()))

    def is_anothers(self, name: bytes, engine_id: str, uid: int) -> bool:
        """Whether the id is in use, but not by `uid`, which is not root either."""
        return uid != 0 and any(one.owner != uid for one in self._peek(name).by_id.get(engine_id, ()))

    def same(self, name: bytes, engine_id: str, *, owner: int = 0, parent: Container | None = None) -> Container | None:
        """The live container of exactly this id, owner and parent."""
        for one in self._peek(name).by_id.get(engine_id, ()):
            if one.parent is parent and one.owner == owner:
                return one
        return None

    def engine(
        self,
        name: bytes,
        engine_id: str,
        engine: str,
        *,
        owner: int = 0,
        parent: Container | None = None,
        contid: ContId | None = None,
    ) -> Container:
        """The live container of this id, owner and parent; or a new entry, with the contid given or the derived one."""
        known = self.same(name, engine_id, owner=owner, parent=parent)
        if known is not None:
            return known
        node = self.node(name)
        contid = self.derived(name, engine_id) if contid is None else contid
        container = Container(contid, engine_id, engine=engine, owner=owner, parent=parent, node=name)
        other = node.by_contid.get(contid) if contid is not None else None
        if other is not None:
            container.shared = other.shared = True
            other.version += 1
        return self._add(node, container)

    def shown(self, name: bytes, seen: Container, parent: Container | None) -> Container:
        """The entry of a container that the host shows: by its number where kernel or site gave it one, else by its id.

        A number of theirs is never the derived one, and may come without an id; it holds whatever else is known.
        """
        if seen.contid is None or (seen.id and seen.contid == derive_contid(seen.id)):
            return self.engine(name, seen.id, seen.engine, owner=seen.owner, parent=parent)
        node = self.node(name)
        same = [one for one in node.by_id.get(seen.id, ()) if one.contid == seen.contid]
        for container in (node.by_contid.get(seen.contid), *reversed(same)):
            if container is None or container.id not in ("", seen.id):
                continue
            if parent is not None and container.parent is not parent:
                continue
            if seen.id and not container.id:
                container.id, container.engine, container.owner = seen.id, seen.engine, seen.owner
                container.version += 1
                node.by_id.setdefault(seen.id, []).append(container)
            return container
        made = Container(seen.contid, seen.id, engine=seen.engine, owner=seen.owner, parent=parent, node=name)
        return self._add(node, made)

    def claimed(self, name: bytes, engine_id: str, engine: str, contid: ContId) -> Container | None:
        """The live container of this id that root registers under this number; None when that cannot be.

        A number is set once, and one that was given by hand has one holder. Derived ones may collide. Where the kernel
        gives the numbers, root's are none.
        """
        if self._peek(name).numbered:
            return self.engine(name, engine_id, engine)
        holder = self.numbered(name, contid)
        if holder is not None and holder.id != engine_id and contid != derive_contid(engine_id):
            return None
        container = self.engine(name, engine_id, engine, contid=contid)
        if container.contid != contid:
            return None
        if engine and not container.engine:
            container.engine = engine
            container.version += 1
        return container

    def renew(self, container: Container, stamp: Stamp) -> Container:
        """The same engine id is started anew: the earlier run ends, a new entry with the same names begins."""
        self.ended(container, stamp)
        fresh = self.engine(
            container.node, container.id, container.engine, owner=container.owner, parent=container.parent
        )
        fresh.name, fresh.image, fresh.labels = container.name, container.image, container.labels
        return fresh

    def named(self, name: bytes, named: Named, stamp: Stamp | None = None, *, owner: int | None = None) -> None:
        """Names for a container, whenever they come; empty values say nothing, known ones are not overwritten."""
        container = self.known(name, named.id, owner=owner)
        if container is not None:
            self.describe(container, named, stamp)

    def describe(self, container: Container, named: Named, stamp: Stamp | None = None) -> None:
        """The same for a container that is at hand."""
        for attribute, value in (
            ("name", named.name), ("image", named.image), ("pod_name", named.pod), ("namespace", named.namespace)
        ):  # fmt: skip
            if value and not getattr(container, attribute):
                setattr(container, attribute, value)
                container.version += 1
                if stamp is not None and container.start_ms is not None and stamp.ms > container.start_ms:
                    container.late_name = container.late_name or attribute == "name"
        self.version += 1

    def rename(self, container: Container, name: str) -> None:
        """The container is called so from now on; "": what it is called is no longer known."""
        container.name, container.late_name = name, False
        container.version += 1
        self.version += 1

    def called(self, node: bytes, word: str, owner: int, inside: Container | None) -> Container | None:
        """The one live container of `owner` that a client means by a word: its name, its id, or the id's beginning."""
        near = [
            one
            for of_id in self._peek(node).by_id.values()
            for one in of_id
            if one.owner == owner and (one.parent is None if inside is None else inside in one.chain()[1:])
        ]
        for meant in (
            [one for one in near if word in (one.name, one.id)],
            [one for one in near if len(word) >= 4 and one.id.startswith(word)],
        ):
            if meant:
                return meant[0] if len(meant) == 1 else None
        return None

    def written(
        self,
        name: bytes,
        contids: tuple[ContId, ...],
        names: tuple[str, str],
        engine: tuple[str, str],
        stamp: Stamp,
    ) -> Chain:
        """The containers of a chain as this program wrote it, nearest first; those not known yet are entered.

        `names` are the nearest's id and name, `engine` its image and engine; "" is not written.
        """
        node, parent = self.node(name), None
        for contid in reversed(contids[1:16]):
            container = node.by_contid.get(contid)
            if container is None or container.parent is not parent:
                container = self._add(node, Container(contid, node=name, parent=parent))
            parent = container
        nearest = contids[0] if contids else None
        known = [one for one in node.by_id.get(names[0], ()) if one.contid == nearest and one.parent is parent]
        holder = node.by_contid.get(nearest) if nearest is not None else None
        if not known and holder is not None and holder.parent is parent and holder.id in ("", names[0]):
            known = [holder]
        made = known[-1] if known else self._add(node, Container(nearest, names[0], node=name, parent=parent))
        if names[0] and not made.id:
            made.id = names[0]
            node.by_id.setdefault(made.id, []).append(made)
        made.engine = made.engine or engine[1]
        if names[1] and made.name != names[1]:
            self.rename(made, names[1])
        self.describe(made, Named(made.id, image=engine[0]), stamp)
        return made.chain()

    def load(self, version: int, nodes: dict[bytes, Containers]) -> None:
        """Become what a checkpoint has saved."""
        self.version, self.nodes = version, nodes

    def ended(self, container: Container, stamp: Stamp) -> None:
        """The container is gone. Its entry stays for what was inside it."""
        if container.end_ms is None:
            container.end_ms = stamp.ms
        self._forget(self.node(container.node), container)

    def booted(self, name: bytes, boot: str, stamp: Stamp) -> None:
        """The node started anew: nothing lives on it."""
        node = self.node(name)
        for container in node.remembered:
            if container.end_ms is None:
                container.end_ms = stamp.ms
        node.by_contid.clear()
        node.by_id.clear()
        node.boot = boot
        self.version += 1

    def _add(self, node: Containers, container: Container) -> Container:
        container.boot = node.boot
        if container.contid is not None:
            node.by_contid[container.contid] = container
        if container.id:
            node.by_id.setdefault(container.id, []).append(container)
        node.remembered.append(container)
        if len(node.remembered) > self.max_containers:
            gone = next((one for one in node.remembered if one.end_ms is not None), node.remembered[0])
            node.remembered.remove(gone)
            self._forget(node, gone)
        self.version += 1
        return container

    @staticmethod
    def _forget(node: Containers, container: Container) -> None:
        """Its number and its id no longer lead to it."""
        same = node.by_id.get(container.id)
        if same is not None and container in same:
            same.remove(container)
            if not same:
                del node.by_id[container.id]
        if container.contid is not None and node.by_contid.get(container.contid) is container:
            del node.by_contid[container.contid]
