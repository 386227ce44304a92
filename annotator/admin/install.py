"""Install and uninstall: the steps from the files on a machine to those of an installation plan, and back.

Nothing that others wrote is overwritten or removed: a file counts as ours only by its hash in the manifest. If a file
of others is in the way nothing is written at all. All paths are resolved below `root`, and a link that leads out of it
ends the run.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import stat
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from annotator.admin import manifest as manifests
from annotator.admin.install_plan import MANIFEST, PURGED, Entry, directories
from annotator.core.errors import AnnotatorError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from annotator.admin.manifest import Manifest


class Action(StrEnum):
    """What happens to the file of one path."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    SAME = "same"
    KEPT = "kept"
    """Changed by hand since we wrote it: left as it is."""
    OWN = "yours"
    """The administrator's own configuration, which was there before: it stays."""
    FOREIGN = "foreign"
    """A file of others that is in the way."""


class Step(NamedTuple):
    """One path and its action. `before` and `after` are the bytes of the file, None where there is none."""

    action: Action
    path: str
    before: bytes | None = None
    after: bytes | None = None
    mode: int = 0


def steps(root: Path, plan: Sequence[Entry], manifest: Manifest) -> list[Step]:
    """The steps of an installation of `plan`. Raises AnnotatorError."""
    planned = [_step(root, entry, manifest) for entry in plan]
    wanted = {entry.path for entry in plan}
    for path in manifest.files:
        if path not in wanted:
            planned += _removal(root, path, manifest, purge=False)
    return planned


def apply(root: Path, steps: Sequence[Step], manifest: Manifest) -> None:
    """Install. Raises UsageError when a file of others is in the way, AnnotatorError when the disk refuses."""
    if foreign := [step.path for step in steps if step.action is Action.FOREIGN]:
        raise UsageError(
            f"not written by this program, so nothing was done: {', '.join(foreign)}",
            "Look at them, then move them away, or leave that part out (see --help).",
        )
    paths = [step.path for step in steps if step.action in (Action.CREATE, Action.UPDATE)]
    made = _make_directories(root, [*map(_parent, [*paths, MANIFEST]), *directories()], manifest)
    for step in steps:
        if step.after is not None and step.action in (Action.CREATE, Action.UPDATE):
            before = [] if step.before is None else [manifests.digest(step.before)]
            manifest.files[step.path] = [*before, manifests.digest(step.after)]
    _write(root, MANIFEST, manifests.dump(manifest), 0o600)
    for path in made:
        _make(root, path)
    for step in steps:
        _execute(root, step)
    for step in steps:
        if step.action is Action.REMOVE:
            manifest.files.pop(step.path, None)
        elif step.after is not None and step.path in manifest.files and step.action is not Action.KEPT:
            manifest.files[step.path] = [manifests.digest(step.after)]
    _write(root, MANIFEST, manifests.dump(manifest), 0o600)


def removals(root: Path, manifest: Manifest, *, purge: bool) -> list[Step]:
    """The steps of an uninstallation. Raises AnnotatorError."""
    return [step for path in reversed(manifest.files) for step in _removal(root, path, manifest, purge=purge)]


def remove(root: Path, steps: Sequence[Step], manifest: Manifest, *, purge: bool) -> list[str]:
    """Uninstall; returns the directories and files that stay. The manifest stays as long as one of its files does."""
    for step in steps:
        _execute(root, step)
        if step.action is Action.REMOVE:
            manifest.files.pop(step.path, None)
    for path in manifest.files.copy():
        if _read(root, path) is None:
            del manifest.files[path]
    if purge:
        for path in PURGED:
            _purge(root, path)
    if manifest.files:
        _write(root, MANIFEST, manifests.dump(manifest), 0o600)
    else:
        with _os_errors_explained(MANIFEST):
            _path_below(root, MANIFEST).unlink(missing_ok=True)
    stay = list(manifest.files)
    for path in reversed(manifest.directories):
        try:
            _path_below(root, path).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            stay.append(path)
    return stay


def diff(steps: Iterable[Step]) -> str:
    """The changes as a unified diff, as patch(1) reads it; of a file that is only removed too."""
    out: list[str] = []
    for step in steps:
        if step.action not in (Action.CREATE, Action.UPDATE, Action.REMOVE):
            continue
        before, after = (_lines(one) for one in (step.before, None if step.action is Action.REMOVE else step.after))
        names = ("/dev/null" if step.before is None else f"a{step.path}", f"b{step.path}")
        if step.action is Action.REMOVE:
            names = (names[0], "/dev/null")
        changes = difflib.unified_diff(before, after, *names)
        out += [line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in changes]
    return "".join(out)


# --- one path -----------------------------------------------------------------------------------------------------


def _step(root: Path, entry: Entry, manifest: Manifest) -> Step:
    before = _read(root, entry.path)
    action = _action(before, entry, manifest)
    if action is Action.SAME and before is not None and entry.path in manifest.files:
        mode = stat.S_IMODE(_path_below(root, entry.path).stat().st_mode)
        action = Action.SAME if mode == entry.mode else Action.UPDATE
    return Step(action, entry.path, before, entry.data, entry.mode)


def _action(before: bytes | None, entry: Entry, manifest: Manifest) -> Action:
    if before is None:
        return Action.CREATE
    if entry.path in manifest.files:
        if before == entry.data:
            return Action.SAME
        return Action.UPDATE if manifest.wrote(entry.path, before) else Action.KEPT
    if entry.is_own:
        return Action.OWN
    return Action.SAME if before == entry.data else Action.FOREIGN


def _removal(root: Path, path: str, manifest: Manifest, *, purge: bool) -> list[Step]:
    before = _read(root, path)
    if before is None:
        return []
    ours = purge or manifest.wrote(path, before)
    return [Step(Action.REMOVE if ours else Action.KEPT, path, before)]


def _execute(root: Path, step: Step) -> None:
    if step.action in (Action.CREATE, Action.UPDATE) and step.after is not None:
        _write(root, step.path, step.after, step.mode)
    elif step.action is Action.REMOVE:
        with _os_errors_explained(step.path):
            _path_below(root, step.path).unlink(missing_ok=True)


# --- the disk -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _os_errors_explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise AnnotatorError(
            f"{path}: {err.strerror}",
            "Are you root, and may the file system be written? `annotator uninstall` takes back what was done.",
        ) from err


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _path_below(root: Path, path: str) -> Path:
    """A path of the machine below `root`. Raises AnnotatorError when a link of a directory leads out of it."""
    below = root / path[1:]
    above = below.parent
    while not above.exists() and above != root:
        above = above.parent
    if not above.resolve().is_relative_to(root.resolve()):
        raise AnnotatorError(f"{above}: leads out of {root}", "Nothing outside of it is touched.")
    return below


def _read(root: Path, path: str) -> bytes | None:
    """The bytes of a file; None when there is none. Raises AnnotatorError when it is not a regular file."""
    place = _path_below(root, path)
    try:
        if not stat.S_ISREG(place.lstat().st_mode):
            raise AnnotatorError(f"{place}: a link or a directory is in the way", "Look at it, then move it away.")
        return place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        raise AnnotatorError(f"{place}: {err.strerror}", "Are you root?") from err


def _write(root: Path, path: str, data: bytes, mode: int) -> None:
    """In one step: either the old or the new file is there. The name before has a dot in front, so auditd skips it."""
    place = _path_below(root, path)
    new = place.with_name(f".{place.name}.new")
    with _os_errors_explained(path):
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(fd, mode)
                os.fsync(fd)
            new.replace(place)
        except OSError:
            new.unlink(missing_ok=True)
            raise


def _make_directories(root: Path, wanted: Iterable[str], manifest: Manifest) -> list[str]:
    """Note which are to be made, parents first; make those the manifest itself needs. Returns the others."""
    made: list[str] = []
    for path in wanted:
        parts = path[1:].split("/")
        for count in range(1, len(parts) + 1):
            each = "/" + "/".join(parts[:count])
            if each not in made and not _path_below(root, each).is_dir():
                made.append(each)
    manifest.directories += [each for each in made if each not in manifest.directories]
    first = [each for each in made if f"{MANIFEST}/".startswith(f"{each}/")]
    for each in first:
        _make(root, each)
    return [each for each in made if each not in first]


def _make(root: Path, path: str) -> None:
    place = _path_below(root, path)
    with _os_errors_explained(path):
        place.mkdir(exist_ok=True)
        place.chmod(directories().get(path, 0o755))


def _purge(root: Path, path: str) -> None:
    place = _path_below(root, path)
    if place.is_dir() and not place.is_symlink():
        with _os_errors_explained(path):
            shutil.rmtree(place)


def _lines(data: bytes | None) -> list[str]:
    return (data or b"").decode("utf-8", "backslashreplace").splitlines(keepends=True)
