"""Signals that were sent: which of them ended a process (DESIGN section 5, *A life*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.model import Killed
from annotator.linux.records.syntax import argument, hexadecimal

if TYPE_CHECKING:
    from annotator.core.model import Fact

SIGNALS = {"kill": b" a1=", "tkill": b" a1=", "tgkill": b" a2=", "pidfd_kill": b" a1="}
"""Kinds of calls that send a signal, with the argument that says which (the queueing ones as their plain ones)."""

_SIGKILL = 9
_TO_GROUP = 4
"""The flag PIDFD_SIGNAL_PROCESS_GROUP."""


def killed(kind: str, line: bytes, target: int) -> tuple[Fact, ...]:
    """What a signal that was sent ended, by its SYSCALL record and the pid of the one OBJ_PID record beside it.

    The kernel drops what a pid namespace's init is sent from inside, and says success. The sender knows that init as 1;
    every other number is another process, or the init of a namespace below. A thread's number or a descriptor does not
    show whose it is.
    """
    if hexadecimal(argument(line, SIGNALS[kind])) & 0xFFFFFFFF != _SIGKILL:
        return ()
    if kind == "tkill":
        return (Killed(target, unless_init=True),)
    if kind == "pidfd_kill":
        if hexadecimal(argument(line, b" a3=")) & _TO_GROUP:
            return ()
        return (Killed(target, unless_init=True),)
    to = hexadecimal(argument(line, b" a0=")) & 0xFFFFFFFF
    return (Killed(target),) if 1 < to <= 0x7FFFFFFF else ()  # 0 and below: groups, or everybody
