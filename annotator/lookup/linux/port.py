"""Looks up a port of Linux: its sockets in every network namespace, their holders, and the containers of those."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.core.model import Reason, Status
from annotator.lookup import parse_args
from annotator.lookup.answer import (
    Answer,
    Code,
    Collector,
    How,
    Problem,
    Refused,
    Where,
    agreed,
    together,
    unknown,
    where_of,
)
from annotator.lookup.linux import forwards, tables
from annotator.lookup.linux.process import details
from annotator.lookup.linux.view import netns_name
from annotator.lookup.render import container, known, text, user, where

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess
    from annotator.linux.netlink.sockets import Connection
    from annotator.lookup.linux.tables import NetworkNamespace
    from annotator.lookup.linux.view import LinuxView

MAX_SOCKETS = 256
"""Sockets that are listed for one port: those that wait for peers first."""

MAX_DESCRIPTORS = 2_000_000
"""Descriptors that are looked at to find who holds a socket: some 2 µs each."""

MAX_OWNERS = 64

_SOCKET = re.compile(r"socket:\[([0-9]{1,20})\]")


class LocalSocket(NamedTuple):
    """One socket in its namespace."""

    namespace: NetworkNamespace
    connection: Connection


class Holders(NamedTuple):
    """The processes that hold sockets, by inode; `complete` false: not every process could be looked at."""

    pids: dict[int, list[int]]
    complete: bool


def collect(value: str, view: LinuxView) -> Answer:
    """All sockets on a local port; connections only where nothing waits for peers."""
    asked = parse_args.port(value)
    sockets: list[LocalSocket] = []
    problems: list[Problem] = []
    namespaces = tables.namespaces(view)
    for namespace in namespaces:
        answer = tables.connections(view, namespace)
        if isinstance(answer, Problem):
            problems.append(answer)
            continue
        sockets += [LocalSocket(namespace, each) for each in answer if _fits(each, asked)]
    waiting = [socket for socket in sockets if not socket.connection.remote_port]
    sockets = (waiting or sockets)[: MAX_SOCKETS + 1]
    if not view.privileged:
        what = "other users' network namespaces may not be looked into: sockets may be missed"
        problems.append(Problem(Code.DENIED, what, "Ask as root."))
    if not sockets:
        if problems:
            raise Refused(*problems[0])
        advice = "A port that an engine forwards by packet rules alone has no socket on the host."
        raise Refused(Code.GONE, f"no socket has port {value}", advice)
    by_inode = holders(view, {socket.connection.inode for socket in sockets if socket.connection.inode})
    answers = [_where(view, socket, by_inode) for socket in sockets]
    body = [_body(socket, answer, by_inode) for socket, answer in zip(sockets, answers, strict=True)]
    if not by_inode.complete:
        problems.append(Problem(Code.DENIED, "not all processes may be looked at for sockets", "Ask as root."))
    _hand_on(view, namespaces, body)
    notes = [f"only {MAX_SOCKETS} sockets are listed"] if len(sockets) > MAX_SOCKETS else []
    return Answer("ports", body[:MAX_SOCKETS], together(answers), problems=problems, notes=notes)


def _hand_on(view: LinuxView, namespaces: list[NetworkNamespace], sockets: list[dict[str, Any]]) -> None:
    """Add the destination to sockets that an engine's proxy holds. The socket itself stays the host's."""
    by_pid = {process.pid: process for process in view.processes}
    for socket in sockets:
        for pid in socket.get("pids", [])[:1]:
            destination = forwards.target(by_pid[pid], details(view, pid).arguments) if pid in by_pid else None
            if destination is not None:
                forward = forwards.forward(view, namespaces, *destination)
                inner = container(forward.container) if forward.container is not None else None
                socket["forwards"] = {"address": forward.address, "port": forward.port, "container": inner}


def _fits(connection: Connection, asked: parse_args.Port) -> bool:
    return connection.port == asked.number and asked.protocol in ("", connection.protocol)


def holders(view: LinuxView, inodes: set[int]) -> Holders:
    """The processes that have these sockets open. One may have several: a server with its workers, and systemd."""
    pids: dict[int, list[int]] = {}
    complete, seen = True, 0
    for process in view.processes:
        directory = view.root / "proc" / str(process.pid) / "fd"
        try:
            names = os.listdir(directory)  # noqa: PTH208  (names, not paths)
        except FileNotFoundError:
            continue  # gone meanwhile, or a recorded tree without descriptors
        except OSError:
            complete = False
            continue
        for name in names:
            seen += 1
            if seen > MAX_DESCRIPTORS:
                return Holders(pids, complete=False)
            try:
                link = _SOCKET.fullmatch(os.readlink(directory / name))  # noqa: PTH115  (a text)
            except OSError:
                continue
            inode = int(link[1]) if link is not None else 0
            if inode in inodes and process.pid not in pids.setdefault(inode, []):
                pids[inode].append(process.pid)
    return Holders(pids, complete)


def _where(view: LinuxView, socket: LocalSocket, by_inode: Holders) -> Where:
    """The container of its holders; where none is seen, that of its namespace if only one container is in it."""
    pids = by_inode.pids.get(socket.connection.inode, [])
    by_pid: dict[int, HostProcess] = {one.pid: one for one in view.processes} if pids else {}
    owners = [where_of(by_pid[pid]) for pid in pids if pid in by_pid]
    if owners:
        owner = agreed(owners)
        if owner.status is Status.UNKNOWN:
            return owner
        return owner._replace(evidence=(How.OWNER.value, *owner.evidence))
    members = tables.containers(socket.namespace)
    if len(members) == 1:
        return Where(Status.CONTAINER, members[0], None, (How.NETNS.value,))
    if members:
        return unknown(Reason.AMBIGUOUS)
    return unknown(Reason.NOT_SEEN if by_inode.complete else Reason.DENIED)


def _body(socket: LocalSocket, answer: Where, by_inode: Holders) -> dict[str, Any]:
    namespace, connection = socket
    waits = not connection.remote_port
    inside = [text(each.id) for each in tables.containers(namespace)]
    return {
        **known(
            {
                "protocol": connection.protocol,
                "local": connection.local,
                "port": connection.port,
                "remote": None if waits else connection.remote,
                "remote_port": None if waits else connection.remote_port,
                "state": ("listen" if connection.protocol == "tcp" else "bound") if waits else "connected",
                "uid": user(connection.uid),
                "inode": str(connection.inode) if connection.inode else None,
                "pids": by_inode.pids.get(connection.inode, [])[:MAX_OWNERS],
                "netns": {
                    **netns_name(namespace.netns),
                    **known({"name": text(namespace.name), "containers": inside}),
                    "host": namespace.host,
                },
            }
        ),
        **where(answer),
    }


COLLECTOR = Collector("port", "linux", collect)
