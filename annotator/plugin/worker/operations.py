"""The facts that the follower hands to the worker, and their form between the two processes.

The form is that of `marshal`: both ends are one program, and one is the child of the other. A process is a tuple in the
order of the fields of `HostProcess`, with values that `marshal` knows; equal containers become one object again.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from annotator.core.contracts import HostNetwork, HostProcess
from annotator.core.model import Container, ContId, Evidence, NetnsId, Ns, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

FORK, EXEC, EXIT, PROCESS, NETWORK = range(5)

MAX_CONTAINERS: Final = 4096
"""How many containers the decoder keeps apart."""

_PROCESS_FIELDS = tuple(field.name for field in dataclasses.fields(HostProcess))
_NETWORK_FIELDS = tuple(field.name for field in dataclasses.fields(HostNetwork) if field.name != "netns")
_CONTAINER_FIELDS = ("id", "name", "image", "engine", "owner", "uuid", "pod", "pod_name", "namespace", "start_ms")


class Fork(NamedTuple):
    """A process was born. `ns` is Unix time in nanoseconds, here and below."""

    parent: int
    child: int
    ns: int


class Exec(NamedTuple):
    """A process runs another program."""

    pid: int
    ns: int


class Exit(NamedTuple):
    """A process has ended."""

    pid: int
    ns: int


class ProcessRead(NamedTuple):
    """A process was read."""

    process: HostProcess


class NetworkRead(NamedTuple):
    """A network namespace was read."""

    network: HostNetwork


Operation = Fork | Exec | Exit | ProcessRead | NetworkRead


def encode(operation: Operation) -> tuple[Any, ...]:
    """An operation as `marshal` can write it."""
    match operation:
        case ProcessRead(process):
            return (PROCESS, tuple(_encode_field(name, getattr(process, name)) for name in _PROCESS_FIELDS))
        case NetworkRead(network):
            return (NETWORK, (tuple(network.netns), *(getattr(network, name) for name in _NETWORK_FIELDS)))
        case Fork():
            return (FORK, *operation)
        case Exec():
            return (EXEC, *operation)
        case Exit():
            return (EXIT, *operation)


class Decoder:
    """Gives operations back. The same words of a container become the same object: most reads are of known ones."""

    def __init__(self) -> None:
        self._containers: dict[tuple[Any, ...], Container] = {}

    def decode(self, data: tuple[Any, ...]) -> Operation:
        """An operation, of what `encode` gave."""
        kind, *values = data
        if kind == FORK:
            return Fork(*values)
        if kind == EXEC:
            return Exec(*values)
        if kind == EXIT:
            return Exit(*values)
        if kind == PROCESS:
            return ProcessRead(self._process(values[0]))
        netns, *rest = values[0]
        return NetworkRead(HostNetwork(NetnsId(*netns), *rest))

    def _process(self, data: tuple[Any, ...]) -> HostProcess:
        values = dict(zip(_PROCESS_FIELDS, data, strict=True))
        for name in ("container", "place"):
            values[name] = self._container(values[name])
        for name, kind in (("evidence", Evidence), ("reason", Reason)):
            values[name] = kind(values[name]) if values[name] is not None else None
        values["own"] = Ns(values["own"]) if values["own"] is not None else None
        values["netns"] = NetnsId(*values["netns"]) if values["netns"] is not None else None
        return HostProcess(**values)

    def _container(self, data: tuple[Any, ...] | None) -> Container | None:
        if data is None:
            return None
        container = self._containers.get(data)
        if container is None:
            if len(self._containers) > MAX_CONTAINERS:
                self._containers.clear()
            contid, labels, parent, *rest = data
            container = Container(None if contid is None else ContId(contid), labels=dict(labels))
            container.parent = self._container(parent)
            for name, value in zip(_CONTAINER_FIELDS, rest, strict=True):
                setattr(container, name, value)
            self._containers[data] = container
        return container


def _encode_field(name: str, value: Any) -> Any:
    """A field of a process."""
    if value is None:
        return None
    if name in ("container", "place"):
        return _encode_container(value)
    if name in ("evidence", "reason"):
        return str(value)
    if name == "own":
        return int(value)
    return tuple(value) if name == "netns" else value


def _encode_container(container: Container | None) -> tuple[Any, ...] | None:
    if container is None:
        return None
    labels: Iterable[tuple[str, str]] = tuple(sorted(container.labels.items()))
    contid = int(container.contid) if container.contid is not None else None
    fields = (getattr(container, name) for name in _CONTAINER_FIELDS)
    return (contid, labels, _encode_container(container.parent), *fields)
