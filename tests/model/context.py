"""For those who mend a rule: all that the log says of the processes of one event, up to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.model.rules import CALLS

if TYPE_CHECKING:
    from tests.model.judge import Fault
    from tests.model.machine import Event
    from tests.model.render import Written

_FLAGS = {"clone", "unshare", "kill", "prctl"}


def brief(event: Event) -> str:
    """An event in one line: stamp, serial, call, what came of it, who, and where that truly was."""
    text = " ".join(body for _, body in event.records)
    fields = dict(re.findall(r"\b(\w+)=(\"[^\"]*\"|\S+)", text.partition("\x1d")[0]))
    argv = next((body for kind, body in event.records if kind == "EXECVE"), "")
    args = [fields.get(f"a{n}", "") for n in range(2)] if event.call in (*CALLS, "") and event.call in _FLAGS else []
    where = "^".join(one[:12] for one in event.truth.chain) if event.truth else ""
    either = f" or {event.truth.either[:12]}" if event.truth and event.truth.either else ""
    kinds = "" if any(kind == "SYSCALL" for kind, _ in event.records) else ",".join(k for k, _ in event.records)
    return (
        f"{event.ms // 1000 % 100000}.{event.ms % 1000:03d}:{event.serial} {event.call or '?'}"
        f"{'' if fields.get('success', 'yes') == 'yes' else ' FAILED'} exit={fields.get('exit', '')} {','.join(args)} "
        f"ppid={event.ppid} pid={event.pid} uid={fields.get('uid', '?')} ses={fields.get('ses', '?')[:4]} "
        f"{fields.get('comm', '')} {fields.get('exe', '')} {argv} {kinds}  <{where or 'host'}{either}:"
        f"{event.truth.kind if event.truth else ''}>"
    )


def context(written: Written, fault: Fault, depth: int = 2, most: int = 60) -> str:
    """What the log has on the process of a fault and its parents, before the event and a little after it."""
    at = next(n for n, event in enumerate(written.events) if event is fault.event)
    wanted = {fault.event.pid, fault.event.ppid} - {0, 1}
    for _ in range(depth):
        for event in written.events[: at + 1]:
            if event.child in wanted or event.pid in wanted:
                wanted |= {event.ppid if event.pid in wanted else event.pid} - {0, 1}
        if len(wanted) > 8:
            break
    texts = tuple(f"opid={pid} " for pid in wanted)
    found = [
        n
        for n, event in enumerate(written.events[: at + 15])
        if event.pid in wanted
        or event.child in wanted
        or any(text in body for _, body in event.records for text in texts)
    ]
    found = [n for n in found if n <= at][-most:] + [n for n in found if n > at][:5]
    answer = fault.answer
    lines = [
        f"{fault.verdict}: said {answer.status} {answer.id[:16]} {'+'.join(answer.flags)} "
        f"[{','.join(answer.evidence)}] of {written.node}"
    ]
    lines += [("=> " if n == at else "   ") + brief(written.events[n]) for n in found]
    return "\n".join(lines)
