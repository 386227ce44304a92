"""The plugin's answers on its control socket: its status, the containers it knows, registrations (on Linux)."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from annotator import __version__
from annotator.core.errors import SinkError
from annotator.io.control import MAX_ANSWER, ControlSocket, Peer
from annotator.plugin.accounts import uid_of

if TYPE_CHECKING:
    from annotator.core.model import Container
    from annotator.plugin.config import Config
    from annotator.plugin.status import StatusSource


class Registrar(Protocol):
    """Answers registrations, and counts them."""

    def answer(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        ...

    def counts(self) -> dict[str, Any]:
        """Registrations that were granted, and refused by the errno's name."""
        ...


class ControlServer:
    """Answers for one plugin. `registrar` is None where nothing can be registered. Raises SinkError."""

    def __init__(self, source: StatusSource, registrar: Registrar | None) -> None:
        self._source = source
        self._registrar = registrar
        self._since_s = time.monotonic()
        self._socket = ControlSocket(source.config.control.socket, self.answer)

    def fileno(self) -> int:
        """For poll(2)."""
        return self._socket.fileno()

    def serve(self) -> None:
        """Take and answer the questions that have come, without waiting."""
        self._socket.serve(time.monotonic_ns() // 1_000_000)

    def close(self) -> None:
        """Take no more questions."""
        self._socket.close()

    def answer(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one question. An unknown one is refused as the kernel would refuse it: EINVAL."""
        match request.get("op"):
            case "register" if self._registrar is not None:
                return self._registrar.answer(peer, request)
            case "register":
                why = "nothing is registered here: the system itself says in each record where it was made"
                return {"ok": False, "error": "EOPNOTSUPP", "why": why}
            case "status":
                return self._status()
            case "containers":
                return self._containers(request)
        return {"ok": False, "error": "EINVAL", "why": "op is none of register, status, containers"}

    def _status(self) -> dict[str, Any]:
        source = self._source
        return {
            "ok": True,
            "version": __version__,
            "node": source.node,
            "pid": os.getpid(),
            "counts": source.stats.as_dict(),
            "uptime_s": round(time.monotonic() - self._since_s, 3),
            "reader": dict(source.input_counts),
            "outputs": {output.name: output.counts() for output in source.outputs},
            "registrations": self._registrar.counts() if self._registrar is not None else {},
            "control": {"answered": self._socket.answered, "refused": self._socket.refused},
        }

    def _containers(self, request: dict[str, Any]) -> dict[str, Any]:
        """The containers that live, from the place `from` on; as many as fit, and how many there are."""
        given = request.get("from", 0)
        first = given if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else 0
        alive = self._source.containers()
        rows: list[dict[str, Any]] = []
        room = MAX_ANSWER - 512
        for container in alive[first:]:
            row = _row(container)
            room -= len(json.dumps(row)) + 2
            if room < 0:
                break
            rows.append(row)
        return {"ok": True, "total": len(alive), "from": first, "containers": rows}


def _row(container: Container) -> dict[str, Any]:
    row: dict[str, Any] = {
        "contid": str(container.contid) if container.contid is not None else "",
        "id": container.id,
        "name": container.name,
        "image": container.image,
        "engine": container.engine,
        "uuid": container.uuid,
        "inside": container.parent.id if container.parent is not None else "",
        "start_ms": container.start_ms,
    }
    return {name: value[:512] if isinstance(value, str) else value for name, value in row.items() if value}


def listen(source: StatusSource, registrar: Registrar | None) -> ControlServer | None:
    """Begin to answer, where that is configured. Where it is impossible, that is logged and the rest goes on."""
    if not source.config.control.socket:
        return None
    try:
        return ControlServer(source, registrar)
    except SinkError as err:
        source.log.warning("no-control-socket", what=err.what, advice=err.advice)
        return None


def prepare(config: Config) -> None:
    """Make the socket's directory, while the process has the right to. Raises OSError and UsageError."""
    folder = Path(config.control.socket).parent
    if not config.control.socket or folder.exists():
        return
    folder.mkdir(0o700)
    if config.process.user:
        os.chown(folder, uid_of(config.process.user), 0)
