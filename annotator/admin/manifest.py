"""The manifest of an installation: its files with their hashes, its directories in the order in which they were made.

It is written before the files are, with the hash a file has and the one it will have, so that an installation that was
cut short is known too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from annotator.admin.install_plan import MANIFEST
from annotator.core.errors import AnnotatorError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1 << 20


@dataclass(slots=True)
class Manifest:
    """`files`: path on the machine to the SHA-256 digests (hex) of what we wrote there."""

    files: dict[str, list[str]] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)

    def wrote(self, path: str, data: bytes) -> bool:
        """Whether these bytes are what we wrote at `path`."""
        return digest(data) in self.files.get(path, ())


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def load(root: Path) -> Manifest:
    """The manifest of the machine below `root`; an empty one when there is none. Raises AnnotatorError."""
    path = root / MANIFEST[1:]
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except FileNotFoundError:
        return Manifest()
    except OSError as err:
        raise AnnotatorError(f"{path}: {err.strerror}", "Are you root?") from err
    try:
        found: Any = json.loads(data)
        files, made = dict(found["files"]), list(found["directories"])
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise _broken(path) from err
    hashes = [one for each in files.values() for one in (each if isinstance(each, list) else [None])]
    texts = all(isinstance(one, str) for one in (*files, *made, *hashes))
    if not texts or not all(map(_is_plain, (*files, *made))):
        raise _broken(path)
    return Manifest(files, made)


def dump(manifest: Manifest) -> bytes:
    """Its bytes."""
    content = {"version": 1, "files": manifest.files, "directories": manifest.directories}
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def _is_plain(path: str) -> bool:
    """An absolute path that does not climb: uninstall deletes what stands here."""
    return path.startswith("/") and not {"", ".", ".."} & set(path[1:].split("/")) and "\0" not in path


def _broken(path: Path) -> AnnotatorError:
    return AnnotatorError(
        f"{path}: this is no list of installed files",
        "It was changed or damaged. Move it away; what was installed then has to be removed by hand.",
    )
