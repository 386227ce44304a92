"""Which system calls a rule set records: the files under `rules/`, each level with those before it, and all."""

from __future__ import annotations

CALLS = {
    "write": 1, "connect": 42, "sendto": 44, "bind": 49, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "exit": 60,
    "kill": 62, "rename": 82, "mkdir": 83, "unlink": 87, "rt_sigqueueinfo": 129, "pivot_root": 155, "prctl": 157,
    "mount": 165, "umount2": 166, "tkill": 200, "exit_group": 231, "tgkill": 234, "openat": 257, "unshare": 272,
    "setns": 308, "execveat": 322, "pidfd_send_signal": 424, "clone3": 435, "rt_tgsigqueueinfo": 297,
}  # fmt: skip
"""Numbers on x86-64 (asm/unistd_64.h)."""

Catch = dict[str, tuple[bool, str]]
"""A call's name: whether only its successes are recorded, and the rule's key."""


def _rules(names: str, key: str, *, success: bool) -> Catch:
    return dict.fromkeys(names.split(), (success, key))


_MINIMAL = _rules("execve execveat", "annotator-exec", success=True)
_LINEAGE = _rules("fork vfork clone clone3", "annotator-fork", success=True) | _rules(
    "exit_group", "annotator-exit", success=False
)
_SUBREAPER = _rules("prctl", "annotator-subreaper", success=True)
_NAMESPACES = _rules("unshare setns pivot_root", "annotator-ns", success=True) | _rules(
    "mount", "annotator-mount", success=True
)
_ALL = (
    _rules("execve execveat", "exec", success=False)
    | _rules("clone clone3 fork vfork", "fork", success=False)
    | _rules("unshare setns", "ns", success=False)
    | _rules("exit_group exit", "exit", success=False)
    | _rules("connect bind", "net", success=False)
    | _rules("kill tkill tgkill pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo prctl", "sig", success=False)
    | _rules("mount umount2 pivot_root", "mnt", success=False)
    | _rules("unlink mkdir rename", "file", success=False)
)

LEVELS: dict[str, Catch] = {
    "minimal": _MINIMAL,
    "lineage": _MINIMAL | _LINEAGE | _SUBREAPER,
    "namespaces": _MINIMAL | _LINEAGE | _SUBREAPER | _NAMESPACES,
    "live": _MINIMAL | _NAMESPACES,
    "all": _ALL,
}
"""`live` is what is installed where the machine itself can be asked: no forks, no exits.

Of prctl only PR_SET_CHILD_SUBREAPER is recorded. Threads made with clone are left out but at `all`; the flags of clone3
cannot be seen by a rule, so those threads are recorded wherever forks are.
"""
