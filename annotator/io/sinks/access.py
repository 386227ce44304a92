"""The readers of a file: its group, and a POSIX ACL that lets more users read it.

The ACL is written as the kernel keeps it in `system.posix_acl_access` (linux/posix_acl_xattr.h: version 2, then tag,
permissions, id), since setfacl(1) is not everywhere. acl(5).
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_OWNER, _USER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_READ = 4


def acl(mode: int, readers: Sequence[int]) -> bytes:
    """The value of the attribute: the rights of `mode` for owner, group and others, and reading for these uids."""
    group = mode >> 3 & 7
    entries = [(_OWNER, mode >> 6 & 7, _NO_ID)]
    entries += [(_USER, _READ, uid) for uid in sorted(set(readers))]
    entries += [(_GROUP, group, _NO_ID), (_MASK, group | _READ, _NO_ID), (_OTHER, mode & 7, _NO_ID)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def set_access(fd: int, mode: int, gid: int | None, readers: Sequence[int]) -> None:
    """Give an open file its group and its readers. Raises OSError."""
    if gid is not None:
        os.fchown(fd, -1, gid)
        os.fchmod(fd, mode)
    if readers:
        os.setxattr(fd, "system.posix_acl_access", acl(mode, readers))
