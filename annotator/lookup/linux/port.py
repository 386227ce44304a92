"""A port of Linux: the sockets on it in every network namespace, who holds each, and in which container that is."""

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
    one: Connection


class Holders(NamedTuple):
    """The processes that hold sockets, by inode; `whole` false: not every process could be looked at."""

    pids: dict[int, list[int]]
    whole: bool


def collect(value: str, view: LinuxView) -> Answer:
    """All sockets on a local port; connections only where nothing waits for peers."""
    asked = parse_args.port(value)
    found: list[LocalSocket] = []
    problems: list[Problem] = []
    namespaces = tables.namespaces(view)
    for namespace in namespaces:
        answer = tables.connections(view, namespace)
        if isinstance(answer, Problem):
            problems.append(answer)
            continue
        found += [LocalSocket(namespace, one) for one in answer if _fits(one, asked)]
    waiting = [one for one in found if not one.one.remote_port]
    found = (waiting or found)[: MAX_SOCKETS + 1]
    if not view.privileged:
        what = "other users' network namespaces may not be looked into: sockets may be missed"
        problems.append(Problem(Code.DENIED, what, "Ask as root."))
    if not found:
        if problems:
            raise Refused(*problems[0])
        advice = "A port that an engine forwards by packet rules alone has no socket on the host."
        raise Refused(Code.GONE, f"no socket has port {value}", advice)
    held = holders(view, {one.one.inode for one in found if one.one.inode})
    answers = [_where(view, one, held) for one in found]
    body = [_body(one, answer, held) for one, answer in zip(found, answers, strict=True)]
    if not held.whole:
        problems.append(Problem(Code.DENIED, "not all processes may be looked at for sockets", "Ask as root."))
    _hand_on(view, namespaces, body)
    notes = [f"only {MAX_SOCKETS} sockets are listed"] if len(found) > MAX_SOCKETS else []
    return Answer("ports", body[:MAX_SOCKETS], together(answers), problems=problems, notes=notes)


def _hand_on(view: LinuxView, namespaces: list[NetworkNamespace], sockets: list[dict[str, Any]]) -> None:
    """Say of sockets that an engine's proxy holds where they lead. The socket itself stays the host's."""
    by_pid = {one.pid: one for one in view.processes}
    for socket in sockets:
        for pid in socket.get("pids", [])[:1]:
            found = forwards.target(by_pid[pid], details(view, pid).arguments) if pid in by_pid else None
            if found is not None:
                forward = forwards.forward(view, namespaces, *found)
                inner = container(forward.container) if forward.container is not None else None
                socket["forwards"] = {"address": forward.address, "port": forward.port, "container": inner}


def _fits(one: Connection, asked: parse_args.Port) -> bool:
    return one.port == asked.number and asked.protocol in ("", one.protocol)


def holders(view: LinuxView, inodes: set[int]) -> Holders:
    """Who has these sockets open. A socket may be held by several: a server and its workers, or systemd and both."""
    found: dict[int, list[int]] = {}
    whole, seen = True, 0
    for process in view.processes:
        directory = view.root / "proc" / str(process.pid) / "fd"
        try:
            names = os.listdir(directory)  # noqa: PTH208  (names, not paths)
        except FileNotFoundError:
            continue  # gone meanwhile, or a recorded tree without descriptors
        except OSError:
            whole = False
            continue
        for name in names:
            seen += 1
            if seen > MAX_DESCRIPTORS:
                return Holders(found, whole=False)
            try:
                link = _SOCKET.fullmatch(os.readlink(directory / name))  # noqa: PTH115  (a text)
            except OSError:
                continue
            inode = int(link[1]) if link is not None else 0
            if inode in inodes and process.pid not in found.setdefault(inode, []):
                found[inode].append(process.pid)
    return Holders(found, whole)


def _where(view: LinuxView, socket: LocalSocket, held: Holders) -> Where:
    """By who holds it; where nobody is seen to, by the namespace, if it is one container's alone."""
    pids = held.pids.get(socket.one.inode, [])
    by_pid: dict[int, HostProcess] = {one.pid: one for one in view.processes} if pids else {}
    owners = [where_of(by_pid[pid]) for pid in pids if pid in by_pid]
    if owners:
        found = agreed(owners)
        if found.status is Status.UNKNOWN:
            return found
        return found._replace(evidence=(How.OWNER.value, *found.evidence))
    members = tables.containers(socket.namespace)
    if len(members) == 1:
        return Where(Status.CONTAINER, members[0], None, (How.NETNS.value,))
    if members:
        return unknown(Reason.AMBIGUOUS)
    return unknown(Reason.NOT_SEEN if held.whole else Reason.DENIED)


def _body(socket: LocalSocket, answer: Where, held: Holders) -> dict[str, Any]:
    namespace, one = socket
    waits = not one.remote_port
    inside = [text(each.id) for each in tables.containers(namespace)]
    return {
        **known(
            {
                "protocol": one.protocol,
                "local": one.local,
                "port": one.port,
                "remote": None if waits else one.remote,
                "remote_port": None if waits else one.remote_port,
                "state": ("listen" if one.protocol == "tcp" else "bound") if waits else "connected",
                "uid": user(one.uid),
                "inode": str(one.inode) if one.inode else None,
                "pids": held.pids.get(one.inode, [])[:MAX_OWNERS],
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
