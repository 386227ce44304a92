"""Runs a program in an interpreter that has only what CPython on AIX has: `python stripped.py -m MODULE ARG...`.

Names are removed from the modules of the standard library that wrap the system, packages that cannot be had on AIX
cannot be imported, msgpack is the pure Python one, there is no time zone database, and `sys.platform` and uname(1) say
AIX.

Source of the lists: CPython shows a name of this kind only where the C library has it (`#ifdef` in Modules/), and the
headers of AIX 7.x lack what is listed here: Linux's own calls, and the BSD and GNU extensions. Where it is not known
whether AIX has a name (preadv, getresuid, MSG_NOSIGNAL), it is removed. AIX has O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW,
O_NOCTTY, waitid, poll, flock and the calls of the openat family.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import resource
import runpy
import select
import signal
import socket
import sys
import time
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

ABSENT = {
    "os posix": r"O_(PATH|TMPFILE|NOATIME|EXLOCK|SHLOCK)|(P_)?PIDFD.*|pidfd_open|memfd_create|MFD_.*|eventfd.*|EFD_.*|"
    r"splice|SPLICE_.*|copy_file_range|sendfile|SF_.*|(get|set|list|remove)xattr|XATTR_.*|getrandom|GRND_.*|setns|unshare|"
    r"CLONE_.*|sched_(get|set)(affinity|scheduler|param)|SCHED_(IDLE|BATCH|RESET_ON_FORK)|pipe2|preadv|pwritev|RWF_.*|"
    r"(get|set)res[ug]id|getloadavg|openpty|forkpty|login_tty|SEEK_(DATA|HOLE)|RTLD_(DEEPBIND|NODELETE|NOLOAD)|"
    r"lch(mod|flags)|timerfd_.*|TFD_.*|PRIO_DARWIN.*",
    "socket _socket": r"(AF|PF)_(NETLINK|PACKET|VSOCK|ALG|CAN|TIPC|QIPCRTR|RDS|KEY|BLUETOOTH)|"
    r"(NETLINK|PACKET|CAN|ALG|TIPC|VMADDR|VM_SOCKETS|SO_VM|J1939|BT|BDADDR|HCI|UDPLITE|RDS|SOL_(ALG|CAN|TIPC|RDS|HCI|UDPLITE))(_.*)?|"
    r"SOCK_(CLOEXEC|NONBLOCK)|SO_(PEERCRED|PASSCRED|PEERSEC|PASSSEC|DOMAIN|PROTOCOL|MARK|BINDTODEVICE|PRIORITY|INCOMING_CPU)|SCM_CREDENTIALS|"
    r"MSG_(DONTWAIT|NOSIGNAL|CMSG_CLOEXEC|ERRQUEUE|CONFIRM|MORE|FASTOPEN|WAITFORONE)|"
    r"TCP_(USER_TIMEOUT|QUICKACK|CORK|DEFER_ACCEPT|INFO|LINGER2|SYNCNT|WINDOW_CLAMP|FASTOPEN|CONGESTION|NOTSENT_LOWAT)",
    "time": r"CLOCK_(BOOTTIME|MONOTONIC_RAW|TAI|PROF|HIGHRES|UPTIME).*",
    "select": r"(epoll|EPOLL|kqueue|kevent|KQ|devpoll).*",
    "signal _signal": r"pidfd_send_signal|SIG(STKFLT|CLD)",
    "fcntl": r"F_(OFD_.*|(GET|SET)PIPE_SZ|ADD_SEALS|GET_SEALS|SEAL_.*|NOTIFY|(GET|SET)(LEASE|SIG))|DN_.*",
    "resource": r"prlimit|RLIMIT_(NICE|RTPRIO|SIGPENDING|MSGQUEUE|RTTIME)",
    "mmap": r"MADV_.*|MAP_(POPULATE|STACK|NORESERVE|HUGETLB)",
}
"""Modules, and what of them AIX has not."""

PACKAGES = frozenset(("audit", "auparse", "orjson", "pyroute2", "tzdata", "zstandard"))
"""Packages that need Linux, Rust, or a compiler that is not on AIX."""

_KEEP = (fcntl, mmap, resource, select, signal, socket, time)
"""Imported so that they are whole before their names go."""


class WithoutPackages(PathFinder):
    """Finds modules in the usual places, but none of the packages that are not there."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for such a package, as where it was never installed."""
        return None if fullname.partition(".")[0] in PACKAGES else super().find_spec(fullname, path, target)


def strip() -> None:
    """From here on this interpreter is like one on AIX."""
    for modules, pattern in ABSENT.items():
        for module in modules.split():
            for name in [name for name in dir(sys.modules[module]) if re.fullmatch(pattern, name)]:
                delattr(sys.modules[module], name)
    sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutPackages
    sys.platform = "aix"
    os.environ |= {"PYTHONTZPATH": "", "MSGPACK_PUREPYTHON": "1"}
    known = os.uname_result(("AIX", "aixhost", "3", "7", "00F6B5934C00"))
    os.uname = lambda: known


if __name__ == "__main__":
    strip()
    sys.argv = sys.argv[2:]
    sys.path.insert(0, str(Path.cwd()))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
