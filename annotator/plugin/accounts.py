"""Users and groups of the configuration, by name or number."""

from __future__ import annotations

import grp
import pwd

from annotator.core.errors import UsageError


def uid_of(name: str) -> int:
    """The uid. Raises UsageError."""
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise UsageError(f"there is no user `{name}`", "Make the user, or name another.") from None


def gid_of(name: str) -> int:
    """The gid. Raises UsageError."""
    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise UsageError(f"there is no group `{name}`", "Make the group, or name another.") from None
