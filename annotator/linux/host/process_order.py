"""The order in which the processes of a machine are handed on: parents come before their children."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess


def parents_first(processes: dict[int, HostProcess]) -> list[HostProcess]:
    """Parents before their children, out of processes by pid; a loop of parents (pids re-used while reading) is cut."""
    ordered: dict[int, HostProcess] = {}
    for process in processes.values():
        ancestry: dict[int, HostProcess] = {}
        ancestor: HostProcess | None = process
        while ancestor is not None and ancestor.pid not in ordered and ancestor.pid not in ancestry:
            ancestry[ancestor.pid] = ancestor
            ancestor = processes.get(ancestor.ppid)
        ordered.update(reversed(ancestry.items()))
    return list(ordered.values())
