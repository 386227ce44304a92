"""Registrations on a stock kernel: asked for over the control socket, answered by the rules a patched kernel has.

Who may: a process with CAP_AUDIT_CONTROL in the first user namespace that is itself proven to be on the host. Set once,
nest only. A refusal is answered with the kernel's errno name and kept as a count by that name.
"""

from __future__ import annotations

import errno
from collections import Counter
from typing import TYPE_CHECKING, Any

from annotator.membership import Stay
from annotator.model import OWN_SESSION, Container, ContId, Evidence, Named, Stamp
from annotator.registry import derive_contid

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.membership import Membership
    from annotator.processes import Life

MAX_TEXT = 512


class Refusal(Exception):
    """A registration that is not done. `number` is the errno."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number

    @property
    def name(self) -> str:
        """`EEXIST`."""
        return errno.errorcode[self.number]


class Registrar:
    """Answers registrations. `life_of` gives the life of a pid that was just checked on the host, None when it is gone."""

    def __init__(
        self,
        membership: Membership,
        life_of: Callable[[int], Life | None],
        may_register: Callable[[int], bool],
    ) -> None:
        self.membership = membership
        self.life_of = life_of
        self.may_register = may_register
        self.granted = 0
        self.refusals: Counter[str] = Counter()

    def answer(self, peer: int, request: dict[str, Any], stamp: Stamp) -> dict[str, Any]:
        """One request `{"op": "register", "pid", "id", "name"?, "engine"?, "image"?, "contid"?, "uuid"?}`."""
        try:
            container = self._register(peer, request, stamp)
        except Refusal as refusal:
            self.refusals[refusal.name] += 1
            return {"ok": False, "error": refusal.name, "why": str(refusal)}
        self.granted += 1
        return {"ok": True, "contid": str(container.contid), "id": container.id}

    def _register(self, peer: int, request: dict[str, Any], stamp: Stamp) -> Container:
        pid, engine_id = request.get("pid"), _text(request, "id")
        if not isinstance(pid, int) or isinstance(pid, bool) or pid < 1:
            raise Refusal(errno.EINVAL, "pid is no process id")
        contid = self._contid(request, engine_id)
        if not self.may_register(peer):
            raise Refusal(errno.EPERM, "the asker has no CAP_AUDIT_CONTROL in the first user namespace")
        asker = self.life_of(peer)
        place = self.membership.where(asker, stamp) if asker is not None else None
        if place is None or place.container is not None:
            raise Refusal(errno.EPERM, "the asker is not proven to be on the host")
        target = self.life_of(pid)
        if target is None:
            raise Refusal(errno.ESRCH, f"there is no process {pid}")
        if target is asker:
            raise Refusal(errno.EXDEV, "a process cannot register itself")
        return self._set(target, contid, engine_id, request, stamp)

    @staticmethod
    def _contid(request: dict[str, Any], engine_id: str) -> ContId:
        given = request.get("contid")
        if given is None:
            if not engine_id:
                raise Refusal(errno.EINVAL, "neither id nor contid is given")
            return derive_contid(engine_id)
        if not isinstance(given, str | int) or isinstance(given, bool) or not str(given).isdecimal():
            raise Refusal(errno.EINVAL, "contid is no decimal number")
        number = int(str(given)[:21])
        if number > 2**64 - 1:
            raise Refusal(errno.ERANGE, "contid is above 2**64-1")
        if number == 2**64 - 1:
            raise Refusal(errno.EINVAL, "2**64-1 is the unset value")
        return ContId(number)

    def _set(self, target: Life, contid: ContId, engine_id: str, request: dict[str, Any], stamp: Stamp) -> Container:
        registry = self.membership.registry
        held = self.membership.where(target, stamp)
        name = engine_id or f"contid-{contid}"
        if held is not None and held.container is not None:
            if held.container.id == name:
                return held.container  # what lineage or the cgroup says already, now registered
            raise Refusal(errno.EEXIST, f"process {target.pid} is in container {held.container.id} already")
        other = registry.node(target.node).by_contid.get(contid)
        if other is not None and other.id != name:
            raise Refusal(errno.ENOTUNIQ, f"contid {contid} is in use by container {other.id}")
        container = registry.engine(target.node, name, _text(request, "engine"))
        container.contid = contid
        container.uuid = container.uuid or _text(request, "uuid")
        registry.named(target.node, Named(name, _text(request, "name"), _text(request, "image")))
        if container.start_ms is None:
            container.start_ms = stamp.ms
        self.membership.accept(target, Stay(stamp, container, Evidence.REGISTERED, OWN_SESSION))
        return container


def _text(request: dict[str, Any], key: str) -> str:
    value = request.get(key)
    return value[:MAX_TEXT] if isinstance(value, str) else ""
