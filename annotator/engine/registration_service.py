"""Registrations on a stock kernel: asked for over the control socket, answered by the rules a patched kernel has.

Who may: a process with CAP_AUDIT_CONTROL in the first user namespace that is itself proven to be on the host. Set once,
nest only. A refusal is answered with the errno's name that the kernel would give, and told like a grant. Not asked is
what no hook could fulfil: that the target has one thread and no children, and descends from the asker.
"""

from __future__ import annotations

import errno
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from annotator.core.model import CONTID_UNSET, OWN_SESSION, ContId, Evidence, Named, Registered, Stamp, Status
from annotator.core.registry import derive_contid
from annotator.core.residence import Residence

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Container
    from annotator.core.recording import Recorder
    from annotator.io.control import Peer

MAX_TEXT = 512
"""Characters of a name; an engine's id, which must be whole, may have no more."""

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)


class Refusal(Exception):
    """A registration that is not done. `number` is the errno."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number

    @property
    def name(self) -> str:
        """`EEXIST`."""
        return errno.errorcode[self.number]


def as_uuid(text: str) -> str:
    """16 bytes in their usual form, lower case; "" for text that is no UUID. 32 digits without hyphens are one too."""
    if not _UUID.fullmatch(text):
        return ""
    digits = text.replace("-", "").lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class RegistrationService:
    """Answers registrations.

    `life_of` looks at a process on this machine now and gives its life, None when it is gone. `started` gives the start
    time (any number that another process with its pid has not) of an asker that has the rights, None of one that has
    not, or is gone. `told` is given each registration with its outcome: "" or the errno's name.
    """

    def __init__(
        self,
        recorder: Recorder,
        life_of: Callable[[int], ProcessLifetime | None],
        started: Callable[[Peer], int | None],
        told: Callable[[Registered, str], None] = lambda *_: None,
    ) -> None:
        self.recorder = recorder
        self.life_of = life_of
        self.started = started
        self.told = told
        self.granted = 0
        self.refusals: Counter[str] = Counter()

    def answer(self, peer: Peer, request: dict[str, Any], stamp: Stamp) -> dict[str, Any]:
        """One request: `pid`, and `id`, `contid` or `uuid`; `name`, `engine`, `image`, `namespace`, `pod` if known."""
        pid = request.get("pid")
        number = pid if isinstance(pid, int) and not isinstance(pid, bool) and 0 < pid < 2**31 else -1
        engine_id, name, engine, image = (_text(request, key) for key in ("id", "name", "engine", "image"))
        fact = Registered(number, peer.pid, CONTID_UNSET, (), False, engine_id, name, engine, image)
        try:
            fact, uuid = _checked(request, fact)
            container = self._register(peer, request, fact, uuid, stamp)
        except Refusal as refusal:
            self.refusals[refusal.name] += 1
            self.told(fact, refusal.name)
            return {"ok": False, "error": refusal.name, "why": str(refusal)}
        self.granted += 1
        self.told(fact._replace(ok=True), "")
        return {"ok": True, "contid": str(container.contid), "id": container.id}

    def _register(self, peer: Peer, request: dict[str, Any], fact: Registered, uuid: str, stamp: Stamp) -> Container:
        before = self.started(peer)
        if before is None:
            raise Refusal(errno.EPERM, "the asker has no CAP_AUDIT_CONTROL in the first user namespace")
        asker = self.life_of(peer.pid)
        same = self.started(peer) == before  # what was looked at was the asker
        if asker is None or not same or self.recorder.settle(asker, stamp).status is not Status.HOST:
            raise Refusal(errno.EPERM, "the asker is not proven to be on the host")
        target = self.life_of(fact.pid)
        if target is None:
            raise Refusal(errno.ESRCH, f"there is no process {fact.pid}")
        if target is asker:
            raise Refusal(errno.EXDEV, "a process cannot register itself")
        held = self.recorder.settle(target, stamp).container
        if held is not None and held.id != fact.id:
            raise Refusal(errno.EEXIST, f"process {target.pid} is in container {held.id or held.contid} already")
        return self._set(target, fact, uuid, request, stamp)

    def _set(
        self, target: ProcessLifetime, fact: Registered, uuid: str, request: dict[str, Any], stamp: Stamp
    ) -> Container:
        membership, registry = self.recorder.membership, self.recorder.membership.registry
        known = registry.known(target.node, fact.id)
        if known is not None and known.contid != fact.contid:
            raise Refusal(errno.EEXIST, f"container {fact.id} has contid {known.contid} already")
        container = registry.claimed(target.node, fact.id, fact.engine, fact.contid)
        if container is None:
            raise Refusal(errno.ENOTUNIQ, f"contid {fact.contid} is another container's")
        said = Named(fact.id, fact.name, fact.image, pod=_text(request, "pod"), namespace=_text(request, "namespace"))
        registry.named(target.node, said)
        if uuid and not container.uuid:
            container.uuid = uuid
            container.version += 1
        if container.start_ms is None:
            container.start_ms = stamp.ms
        stay = membership.settle(target, stamp)
        session = stay.session if stay is not None and stay.container is container else None
        membership.accept(target, Residence(stamp, container, Evidence.REGISTERED, session or OWN_SESSION))
        return container


def _checked(request: dict[str, Any], fact: Registered) -> tuple[Registered, str]:
    """The registration with its id and number, and its UUID. Raises Refusal for one that cannot be meant."""
    if fact.pid < 0:
        raise Refusal(errno.EINVAL, "pid is no process id")
    uuid = as_uuid(_text(request, "uuid"))
    if request.get("uuid") is not None and not uuid:
        raise Refusal(errno.EINVAL, "uuid is no UUID")
    engine_id = fact.id
    if request.get("id", engine_id) != engine_id:
        raise Refusal(errno.EINVAL, "id is too long, or no printable text")
    number = _number(request.get("contid"))
    if not engine_id:
        if number is None and not uuid:
            raise Refusal(errno.EINVAL, "no id, contid or uuid is given")
        engine_id = uuid or f"contid-{number}"
    contid = derive_contid(engine_id) if number is None else number
    return fact._replace(id=engine_id, contid=contid), uuid or as_uuid(engine_id)


def _number(given: Any) -> ContId | None:
    """A contid given by hand, as the kernel would read it."""
    if given is None:
        return None
    text = str(given) if isinstance(given, (str, int)) and not isinstance(given, bool) else ""
    if not re.fullmatch(r"[0-9]{1,64}", text):
        raise Refusal(errno.EINVAL, "contid is no decimal number")
    if int(text) > CONTID_UNSET:
        raise Refusal(errno.ERANGE, "contid is above 2**64-1")
    if int(text) == CONTID_UNSET:
        raise Refusal(errno.EINVAL, "2**64-1 is the unset value")
    return ContId(int(text))


def _text(request: dict[str, Any], key: str) -> str:
    """Text that can be printed and stored: no lone surrogates, no control characters."""
    value = request.get(key)
    if not isinstance(value, str):
        return ""
    return "".join(char for char in value[:MAX_TEXT] if char.isprintable())
