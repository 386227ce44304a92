"""The hook, put into a bundle's `config.json`: for engines that have no way to be given one (Docker)."""

from __future__ import annotations

import json
import os
from typing import Any

from annotator.core.errors import FormatError

MAX_CONFIG = 16 << 20
"""Bytes of a configuration that is read."""


def with_hook(data: bytes, hook: str, arguments: tuple[str, ...] = ()) -> bytes | None:
    """The configuration with the hook as the last of stage createRuntime; None when it is there already.

    Raises FormatError for what is no configuration of a container.
    """
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise FormatError(f"config.json is no JSON: {err}"[:200]) from err
    if not isinstance(found, dict) or "ociVersion" not in found:
        raise FormatError("config.json is no configuration of a container")
    hooks = found.get("hooks")
    hooks = {} if hooks is None else hooks
    stage = hooks.get("createRuntime") if isinstance(hooks, dict) else 0
    stage = [] if stage is None else stage
    if not isinstance(hooks, dict) or not isinstance(stage, list):
        raise FormatError("config.json: its hooks are none")
    if any(isinstance(one, dict) and one.get("path") == hook for one in stage):
        return None
    name = hook.rpartition("/")[2]
    entry: dict[str, Any] = {"path": hook, "args": [name, *arguments], "timeout": 10}
    found["hooks"] = {**hooks, "createRuntime": [*stage, entry]}
    return json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass")


def inject(bundle: str, hook: str, arguments: tuple[str, ...] = ()) -> None:
    """Replace BUNDLE/config.json in one step, with its owner and mode. Raises FormatError and OSError."""
    path = f"{bundle}/config.json"
    with open(path, "rb") as file:
        info = os.fstat(file.fileno())
        data = file.read(MAX_CONFIG + 1)
    if len(data) > MAX_CONFIG:
        raise FormatError(f"config.json has more than {MAX_CONFIG} bytes")
    changed = with_hook(data, hook, arguments)
    if changed is None:
        return
    fresh = f"{path}.{os.getpid()}.new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(changed)
            os.fchown(fd, info.st_uid, info.st_gid)
            os.fchmod(fd, info.st_mode & 0o7777)
        os.replace(fresh, path)  # noqa: PTH105  (pathlib is slow to import, and a container waits)
    except OSError:
        os.unlink(fresh)  # noqa: PTH108
        raise
