"""A port of AIX: the sockets of `netstat -Aan`, and the WPAR of each.

Three roads, in order: `rmsock` names the process, but it exists to remove sockets that nobody holds, so it is run only
when it was asked for; `netstat -Aan -@ NAME` shows the sockets of one WPAR, or of `Global`; a local address that one
WPAR alone has. All three are inferred from documents. A socket that none of them tells is unknown, never Global's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.aix import sockets
from annotator.core.contracts import HostProcess
from annotator.core.errors import AnnotatorError
from annotator.core.model import Evidence, Reason, Status
from annotator.lookup import parse_args
from annotator.lookup.aix.process import where as process_where
from annotator.lookup.answer import Answer, Code, Collector, How, Problem, Refused, Where, together, unknown
from annotator.lookup.render import known, where

if TYPE_CHECKING:
    from annotator.aix.sockets import Socket
    from annotator.lookup.aix.view import AixView

MAX_SOCKETS = 256
MAX_WPARS = 256
"""WPARs whose sockets are asked for, one command each."""

NETSTAT = ("/usr/bin/netstat", "-Aan")
GLOBAL = "Global"
WAITING = ("LISTEN", "")
"""States of sockets that wait for peers: a listening TCP socket, and one of UDP, which has no state."""


def collect(value: str, view: AixView) -> Answer:
    """All sockets on a local port: those that wait for peers first, then connections."""
    asked = parse_args.port(value)
    try:
        every = sockets.netstat(view.run(*NETSTAT))
    except AnnotatorError as err:
        raise Refused(Code.UNSUPPORTED, err.what, err.advice) from None
    found = [one for one in every if one.port == asked.number and asked.protocol in ("", one.protocol)]
    found = sorted(found, key=lambda one: one.state not in WAITING)[: MAX_SOCKETS + 1]
    if not found:
        raise Refused(Code.GONE, f"no socket has port {value}")
    problems: list[Problem] = []
    by_pcb = _by_wpar(view, problems)
    answers = [_where(view, one, by_pcb, problems) for one in found]
    body = [_body(one, answer, pid) for one, (answer, pid) in zip(found, answers, strict=True)]
    if isinstance(view.addresses, Problem):
        problems.append(view.addresses)
    notes = [] if view.rmsock else ["Processes are named only with --rmsock: that command can remove sockets."]
    unique, whole = list(dict.fromkeys(problems)), together([one for one, _ in answers])
    return Answer("ports", body[:MAX_SOCKETS], whole, problems=unique, notes=notes, verified=False)


def _by_wpar(view: AixView, problems: list[Problem]) -> dict[str, set[str]]:
    """The WPARs that show each socket, by its control block; `Global` for one that Global alone shows.

    A name that looks like a flag is handed to no command.
    """
    found: dict[str, set[str]] = {}
    of_global: set[str] = set()
    own = [GLOBAL] if view.in_global else []
    for name in [*own, *(name for name in view.names if not name.startswith("-"))][: MAX_WPARS + 1]:
        try:
            listed = sockets.netstat(view.run(*NETSTAT, "-@", name))
        except AnnotatorError as err:
            problems.append(Problem(Code.UNSUPPORTED, err.what, err.advice))
            if name == GLOBAL:
                continue
            return found  # it will say the same of the next; without all of them nothing is Global's
        if name == GLOBAL:
            of_global = {one.pcb for one in listed}
            continue
        for one in listed:
            found.setdefault(one.pcb, set()).add(name)
    if of_global & found.keys():
        what = "netstat -@ Global shows sockets of WPARs too, so it says nothing of Global's own"
        problems.append(Problem(Code.UNSUPPORTED, what, "Please report it with oslevel -s."))
        return found
    return found | {pcb: {GLOBAL} for pcb in of_global}


def _where(
    view: AixView, one: Socket, by_pcb: dict[str, set[str]], problems: list[Problem]
) -> tuple[Where, int | None]:
    """The WPAR of one socket, and the process that holds it when `rmsock` named it."""
    pid = _holder(view, one, problems) if view.rmsock else None
    if pid is not None:
        process = view.host.process(pid)
        if isinstance(process, HostProcess):
            found = process_where(process)
            return found._replace(evidence=(How.OWNER.value, *found.evidence)) if found.evidence else found, pid
        return unknown(process), pid
    if not view.in_global:
        return unknown(Reason.HIDDEN), None
    for names, how in ((by_pcb.get(one.pcb), How.NETSTAT), (_at(view, one), How.ADDRESS)):
        if names and len(names) > 1:
            return unknown(Reason.AMBIGUOUS), None
        if names == {GLOBAL}:
            return Where(Status.HOST, None, None, (how.value, Evidence.INFERRED.value)), None
        container = view.container(next(iter(names))) if names else None
        if container is not None:
            return Where(Status.CONTAINER, container, None, (how.value, Evidence.INFERRED.value)), None
    return unknown(Reason.NOT_SEEN), None


def _at(view: AixView, one: Socket) -> frozenset[str]:
    known_addresses = view.addresses
    return frozenset() if isinstance(known_addresses, Problem) else known_addresses.get(one.local, frozenset())


def _holder(view: AixView, one: Socket, problems: list[Problem]) -> int | None:
    """Ask rmsock. Of a socket that nobody holds it makes an end: whoever asks for it was told so."""
    kind = "tcpcb" if one.protocol == "tcp" else "inpcb"
    try:
        pid = sockets.holder(view.run("/usr/sbin/rmsock", one.pcb, kind))
    except AnnotatorError as err:
        problems.append(Problem(Code.DENIED, err.what, err.advice))
        return None
    if pid == 0:
        what = f"{one.pcb}: rmsock says that the kernel or an extension of it holds it, and no process"
        problems.append(Problem(Code.UNSUPPORTED, what, "This is usual for sockets of NFS and other kernel services."))
        return None
    if pid is None:
        problems.append(
            Problem(Code.UNSUPPORTED, f"rmsock named no process for {one.pcb}", "Please report its output.")
        )
    return pid


def _body(one: Socket, answer: Where, pid: int | None) -> dict[str, Any]:
    connected = one.remote_port > 0
    return {
        **known(
            {
                "protocol": one.protocol,
                "ip_version": one.version,
                "local": one.local,
                "port": one.port,
                "remote": one.remote if connected else None,
                "remote_port": one.remote_port if connected else None,
                "state": one.state.lower() if one.state else "bound",
                "pcb": one.pcb,
                "pids": [pid] if pid is not None else [],
            }
        ),
        **where(answer),
    }


COLLECTOR = Collector("port", "aix", collect)
