"""What belongs to a process beside its numbers: where it truly is, and the texts that its records show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

SANDBOX = "~"
"""Ids of sandboxes without an engine begin with this: no log shows an id of theirs."""


class Truth(NamedTuple):
    """Where an event happened.

    `chain` are ids of containers, nearest first; () is the host. `either` is a container that may be named as well: an
    engine's process on its way into it, or one that is in its mounts but not in its cgroup. `kind` says what went on.
    """

    chain: tuple[str, ...] = ()
    either: str = ""
    kind: str = "host"


HOST = Truth()


@dataclass(eq=False, slots=True)
class Display:
    """Texts of a process, and its truth. `ident` is made of the others, and kept until one changes."""

    exe: str = "/usr/lib/systemd/systemd"
    comm: str = "systemd"
    title: str = '"/sbin/init"'
    tty: str = "(none)"
    device: str = "fe:00"
    truth: Truth = HOST
    ident: str = ""
    pending: Callable[[], None] | None = None
    """Its fork's record, which is not written yet."""
    wakes: Callable[[], None] | None = None
    """The vfork's record of its parent, which sleeps until this process runs a program or ends."""

    def copy(self) -> Display:
        """Of a child: all the same, but nothing of its own is under way."""
        return Display(self.exe, self.comm, self.title, self.tty, self.device, self.truth, self.ident)
