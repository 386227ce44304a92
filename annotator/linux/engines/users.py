"""The users whose rootless engines may be asked, from the tree's own files: no name service, no waiting.

Only users with a runtime directory (/run/user/UID: logged in, or lingering) are looked for, because opening a home that
nobody uses may mount it. A user named by the caller is looked up in any case.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from annotator.linux.engines.files import Files

MAX_USERS: Final = 64
"""Users that are searched for a container whose owner is not known."""

_MAX_PASSWD: Final = 65536
_RUN: Final = "/run/user"


def home(files: Files, uid: int) -> str:
    """The home directory in /etc/passwd (passwd(5)), an absolute path without a final slash; "" when not there."""
    return (files.load("/etc/passwd", _homes) or {}).get(uid, "")


def present(files: Files) -> list[int]:
    """The users with a runtime directory, lowest first, never root, at most MAX_USERS."""
    found = sorted(int(name) for name in files.names(_RUN) if name.isascii() and name.isdigit() and len(name) <= 10)
    return [uid for uid in found if 0 < uid < 2**32 - 1][:MAX_USERS]


def _homes(data: bytes) -> Mapping[int, str]:
    found: dict[int, str] = {}
    for line in data.decode("utf-8", "replace").splitlines()[:_MAX_PASSWD]:
        parts = line.split(":")
        if len(parts) < 7 or not parts[2].isascii() or not parts[2].isdigit() or len(parts[2]) > 10:
            continue
        path = parts[5].rstrip("/")
        if path.startswith("/"):
            found.setdefault(int(parts[2]), path)
    return MappingProxyType(found)
