"""More system calls of a machine: namespaces, logins, records of user space, and calls that change nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.model import records
from tests.model.jobs import Gone
from tests.model.machine import Machine

if TYPE_CHECKING:
    from tests.model.display import Truth
    from tests.model.kernel import Task


@dataclass(eq=False)
class Host(Machine):
    """A machine with all calls that scripts need."""

    sessions: int = 0
    overlays: dict[str, Task] = field(default_factory=dict)
    """Numbers of file systems without a disk, and the inits that live on them."""

    def overlay(self) -> str:
        """The lowest number that no mounted one has (get_anon_bdev)."""
        return next(
            one
            for one in (f"00:{n:02x}" for n in range(0x20, 0x2000))
            if one not in self.overlays or not self.overlays[one].alive
        )

    def unshare(self, task: Task, flags: int) -> None:
        """Namespaces of its own; a new pid namespace is its children's."""
        self.settle(task)
        self.kernel.unshare(task, flags)
        self.call(task, "unshare", (flags, 0x7FFC, 0x7FC9, 0))

    def setns(self, task: Task, other: Task, flags: int, *, typed: bool = True) -> None:
        """Into another's namespaces. Without `typed` the second argument is 0, which leaves the kind to the file."""
        self.settle(task)
        if not other.alive:
            self.call(task, "setns", (7, flags if typed else 0, 0, 0), -3, ok=False)
            raise Gone  # whoever was to enter gives up
        self.kernel.setns(task, other, flags)
        self.call(task, "setns", (7, flags if typed else 0, 0, 0))

    def mount(self, task: Task, count: int = 1) -> None:
        """Mounts."""
        for _ in range(count):
            self.settle(task)
            self.call(task, "mount", (0xC0_000B_C760, 0xC0_000B_C762, 0xC0_000B_C764, 0x5000), paths=("/mnt",))

    def pivot(self, task: Task) -> None:
        """Another root."""
        self.settle(task)
        self.call(task, "pivot_root", (0xC0_000B_CDCE, 0xC0_000B_CDD0, 0, 0), paths=(".", "."))

    def subreaper(self, task: Task) -> None:
        """It will adopt what its descendants leave behind."""
        self.settle(task)
        self.kernel.become_subreaper(task)
        self.call(task, "prctl", (0x24, 1, 0, 0))

    def login(self, task: Task, auid: int, ses: int = 0) -> None:
        """A write to /proc/self/loginuid: LOGIN stands before the SYSCALL of the write."""
        self.settle(task)
        if not ses:
            self.sessions += 1
            ses = self.sessions
        record = records.login(task, auid, ses, enriched=self.enriched)
        task.auid, task.ses = auid, ses
        task.display.ident = ""
        self.call(task, "write", (3, 0x7FFC, 4, 0), 4, before=[record])

    def become(self, task: Task, uid: int) -> None:
        """setuid, which no rule here asks for."""
        task.uid = uid
        task.display.ident = ""

    def says(self, task: Task, kind: str, text: str) -> None:
        """A record of user space."""
        self.settle(task)
        record = records.said(task, kind, text, enriched=self.enriched)
        self.put([record], task.display.truth, task.pid, 0, self.stamp(), kind)

    def pam(self, task: Task, kind: str, op: str, account: str) -> None:
        """A record of PAM."""
        exe = task.display.exe
        self.says(
            task, kind,
            f'op=PAM:{op} grantors=pam_unix acct="{account}" exe="{exe}" hostname=? addr=? terminal=ssh res=success',
        )  # fmt: skip

    def service(self, unit: str, kind: str = "SERVICE_START") -> None:
        """The service manager tells what it did."""
        exe = "/usr/lib/systemd/systemd"
        self.says(
            self.kernel.init, kind,
            f'unit={unit} comm="systemd" exe="{exe}" hostname=? addr=? terminal=? res=success',
        )  # fmt: skip

    def configures(self, task: Task, change: str) -> None:
        """A setting or a rule is changed by auditctl."""
        self.settle(task)
        record = records.configured(task, change, enriched=self.enriched)
        self.call(task, "sendto", (3, 0x7FFD, 60, 0), 60, before=[record])

    def works(self, task: Task) -> None:
        """Something that changes nothing, and may fail."""
        self.settle(task)
        pick = self.rng.randrange(6)
        if pick == 0:
            self.call(task, "mkdir", (0x7FFD, 0x1FF, 0, 0), -17, ok=False, paths=("/tmp/x",))
        elif pick == 1:
            self.call(task, "unlink", (0x7FFD, 0, 0, 0), paths=("/tmp", "/tmp/x"))
        elif pick == 2:
            self.call(task, "setns", (3, 0x20000, 0, 0), -1, ok=False)
        elif pick == 3:
            self.call(task, "unshare", (0x20000, 0, 0, 0), -1, ok=False)
        else:
            self.call(task, "mkdir", (0x7FFD, 0x1FF, 0, 0), paths=("/tmp", "/tmp/x"))

    def moves(self, task: Task, truth: Truth) -> None:
        """From now on it is somewhere else."""
        task.display.truth = truth
