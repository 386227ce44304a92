"""What a run may know from outside its log: a journal that was written live, this machine, or a recorded tree.

Nothing here is used unless it was asked for, and what reads a machine is imported only then. This machine answers only
for its own records: of another node, or from before this boot, nobody is asked.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.aix.journal import KIND as WPARS
from annotator.aix.journal import Reader
from annotator.aix.record import is_wpar
from annotator.core.errors import UsageError
from annotator.core.registry import derive_contid
from annotator.core.stats import Stats
from annotator.engine.observation_log import Loaded
from annotator.history import Observations
from annotator.linux.engines.programs import KINDS
from annotator.storage.format import Header

if TYPE_CHECKING:
    from annotator.aix.listing import Listing
    from annotator.core.lifetimes import ProcessTable
    from annotator.core.registry import Registry
    from annotator.linux.host.view import LinuxHost

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

USER_HZ = 100
"""Clock ticks a second in what the kernel shows to programs (<asm-generic/param.h>)."""


def boot_id() -> str:
    """This boot's id (random(4)); "" where there is none."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def offset_ns() -> int:
    """CLOCK_REALTIME - CLOCK_BOOTTIME now; CLOCK_MONOTONIC where that is the only clock since the boot."""
    return time.time_ns() - time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def this_header(node: str = "") -> Header:
    """The header of a journal or state file that is written here and now."""
    ticks = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
    return Header(node.encode(), boot_id(), offset_ns(), ticks)


def log_header(node: str = "") -> Header:
    """The header of the state of a replay: of a log it is not known in which boot it was written, nor what clock ran.

    This machine is not asked, so that the state goes on on any other.
    """
    return Header(node.encode(), "", 0, USER_HZ)


def live_host(node: bytes = b"") -> LinuxHost:
    """The view of this machine. Raises UsageError where it is no Linux, or has no /proc."""
    if os.uname().sysname != "Linux":
        raise UsageError(
            "--host live: this machine is no Linux, so it says nothing of a Linux log",
            "Leave it out, or replay on the machine that wrote the log.",
        )
    from annotator.linux.engines import Engines
    from annotator.linux.host.view import LinuxHost

    root = Path("/")
    try:
        return LinuxHost(
            root,
            live=True,
            derive=derive_contid,
            now=lambda: time.time_ns() // 1_000_000,
            offset_ms=offset_ns() // 1_000_000,
            boot=boot_id(),
            node=node,
            ticks=os.sysconf("SC_CLK_TCK"),
            engines=Engines(root),
        )
    except OSError as err:
        raise UsageError(f"--host live: this machine has no /proc that can be read: {err.strerror}") from err


def _ask_aix(loaded: HostContext, node: str) -> None:
    """This machine's processes, and its WPARs as they are now: for records of this machine, by whichever name."""
    from annotator.aix.live import this_host

    host = this_host(Path("/"), lambda: time.time_ns() // 1_000_000, node.encode())
    loaded.asks_aix = True
    loaded.listings.append(host.shown)
    loaded.observations.host = host
    loaded.observations.names = frozenset((b"", node.encode(), os.uname().nodename.encode()))


class HostContext(Loaded):
    """What journals of any system told: also an AIX machine's listings of its WPARs.

    `asks_aix`: this machine is an AIX and may be asked.
    """

    def __init__(self, observations: Observations, stats: Stats) -> None:
        self.asks_aix = False
        wpars = Reader()
        super().__init__(observations, stats, {WPARS: wpars}, is_wpar)
        self.listings: list[Listing] = wpars.listings


def load_context(
    registry: Registry,
    host: str,
    journals: tuple[Path, ...],
    node: str,
    *,
    processes: ProcessTable | None = None,
    stats: Stats | None = None,
) -> HostContext | None:
    """Read the journals and the host view that a replay is given beside its log; None for none, as by default.

    `stats` counts what of the journals could not be used.
    """
    if host == "none" and not journals:
        return None
    observations = Observations(registry, processes=processes, programs=KINDS, has_inventory=is_wpar)
    loaded = HostContext(observations, stats or Stats())
    for path in journals:
        loaded.load(path, node.encode())
    if host == "live" and os.uname().sysname == "AIX":
        _ask_aix(loaded, node)
    elif host == "live":
        observations.host = live_host(node.encode())
    elif host != "none":
        from annotator.linux.engines import Engines
        from annotator.linux.host.recorded import recorded

        try:
            view, _ = recorded(Path(host), derive_contid, engines=Engines(Path(host), owners=False))
        except OSError as err:
            advice = "Name a folder with a recorded tree of /proc, as scripts/capture-sample makes one."
            raise UsageError(f"--host {host}: cannot be read: {err.strerror}", advice) from err
        for seen in view.processes():
            observations.observed(b"", seen)
    return loaded
