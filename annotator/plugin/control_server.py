"""What the control socket is asked: the plugin's status, the containers it knows, registrations where there are any."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from annotator import __version__
from annotator.core.errors import SinkError
from annotator.io.control import MAX_ANSWER, ControlServer, Peer
from annotator.plugin.accounts import uid_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from annotator.core.model import Container
    from annotator.core.stats import Stats
    from annotator.plugin.config import Config
    from annotator.plugin.log import Notes
    from annotator.plugin.outputs.output import Output


class Asked(Protocol):
    """Who is asked. `told`: counts that are not the pipeline's."""

    config: Config
    notes: Notes
    node: str
    stats: Stats

    @property
    def outputs(self) -> Sequence[Output]:
        """In their order."""
        ...

    def containers(self) -> list[Container]:
        """Those that live, newest first."""
        ...

    @property
    def told(self) -> Mapping[str, float]:
        """By name."""
        ...


class Register(Protocol):
    """Answers registrations, and counts them."""

    def answer(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """One request."""
        ...

    def counts(self) -> dict[str, Any]:
        """Granted, and refused by the errno's name."""
        ...


class Questions:
    """Answers for one plugin. `register` is None where nothing can be registered. SinkError: no socket can be there."""

    def __init__(self, asked: Asked, register: Register | None) -> None:
        self.asked = asked
        self.register = register
        self._since_s = time.monotonic()
        self.server = ControlServer(asked.config.control.socket, self.answer)

    def fileno(self) -> int:
        """For poll(2)."""
        return self.server.fileno()

    def serve(self) -> None:
        """Take and answer what there is, without waiting."""
        self.server.serve(time.monotonic_ns() // 1_000_000)

    def close(self) -> None:
        """No more questions."""
        self.server.close()

    def answer(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """One question. What is not known is refused as the kernel would: EINVAL."""
        match request.get("op"):
            case "register" if self.register is not None:
                return self.register.answer(peer, request)
            case "register":
                why = "nothing is registered here: the system itself says in each record where it was made"
                return {"ok": False, "error": "EOPNOTSUPP", "why": why}
            case "status":
                return self._status()
            case "containers":
                return self._containers(request)
        return {"ok": False, "error": "EINVAL", "why": "op is none of register, status, containers"}

    def _status(self) -> dict[str, Any]:
        asked = self.asked
        return {
            "ok": True,
            "version": __version__,
            "node": asked.node,
            "pid": os.getpid(),
            "counts": asked.stats.as_dict(),
            "uptime_s": round(time.monotonic() - self._since_s, 3),
            "reader": dict(asked.told),
            "outputs": {one.name: one.counts() for one in asked.outputs},
            "registrations": self.register.counts() if self.register is not None else {},
            "control": {"answered": self.server.answered, "refused": self.server.refused},
        }

    def _containers(self, request: dict[str, Any]) -> dict[str, Any]:
        """Those that live, `from` that place on; as many as fit, and how many there are."""
        given = request.get("from", 0)
        first = given if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else 0
        alive = self.asked.containers()
        rows: list[dict[str, Any]] = []
        room = MAX_ANSWER - 512
        for one in alive[first:]:
            row = _row(one)
            room -= len(json.dumps(row)) + 2
            if room < 0:
                break
            rows.append(row)
        return {"ok": True, "total": len(alive), "from": first, "containers": rows}


def _row(one: Container) -> dict[str, Any]:
    row: dict[str, Any] = {
        "contid": str(one.contid) if one.contid is not None else "",
        "id": one.id,
        "name": one.name,
        "image": one.image,
        "engine": one.engine,
        "uuid": one.uuid,
        "inside": one.parent.id if one.parent is not None else "",
        "start_ms": one.start_ms,
    }
    return {name: value[:512] if isinstance(value, str) else value for name, value in row.items() if value}


def listen(asked: Asked, register: Register | None) -> Questions | None:
    """Begin to answer, where that is wanted. Where it cannot be, the rest of the plugin goes on."""
    if not asked.config.control.socket:
        return None
    try:
        return Questions(asked, register)
    except SinkError as err:
        asked.notes.warning("no-control-socket", what=err.what, advice=err.advice)
        return None


def prepare(config: Config) -> None:
    """Make the socket's directory while there is the right to. Raises OSError."""
    folder = Path(config.control.socket).parent
    if not config.control.socket or folder.exists():
        return
    folder.mkdir(0o700)
    if config.process.user:
        os.chown(folder, uid_of(config.process.user), 0)
