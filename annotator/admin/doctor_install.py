"""Checks of the installation: stanza and program as auditd wants them, and who may change files that root runs."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.admin import install_plan, manifest
from annotator.admin.check_result import CheckResult, bad, note, ok, warning
from annotator.admin.machine import settings
from annotator.core.errors import AnnotatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from annotator.admin.machine import Machine


def installed(machine: Machine) -> Iterator[CheckResult]:
    """The stanza and its program, with the modes that auditd asks for, and who else may change them."""
    try:
        directory = install_plan.plugins(machine.root)
    except AnnotatorError as err:
        yield bad("install", err.what, err.advice)
        return
    name = f"{directory}/{install_plan.STANZA}"
    text = machine.text(name)
    if text is None:
        yield bad(
            "install", f"{name} is not there", "Run `annotator install` (with --dry-run it shows what it would do)."
        )
        return
    stanza = settings(text)
    if stanza.get("active") != "yes":
        yield warning("install", f"{name}: active is {stanza.get('active', 'not set')}", "Set active = yes.")
    yield from _mode(machine, name, forbidden=0o022, needed=0)
    program = stanza.get("path", "")
    if machine.text(program) is None:
        yield bad("install", f"{name} names {program or 'nothing'}, which cannot be read", "Run `annotator install`.")
        return
    yield from _mode(machine, program, forbidden=0o022, needed=0o750)
    yield from _interpreter(machine, program)
    changed = [path for path, _ in _changed(machine)]
    if changed:
        yield note("install", f"changed by hand since they were installed: {', '.join(changed)}")


def _changed(machine: Machine) -> Iterator[tuple[str, bytes]]:
    try:
        installed_files = manifest.load(machine.root)
    except AnnotatorError:
        return
    for path in installed_files.files:
        try:
            data = machine.path(path).read_bytes()
        except OSError:
            continue
        if not installed_files.wrote(path, data):
            yield path, data


def _mode(machine: Machine, name: str, *, forbidden: int, needed: int) -> Iterator[CheckResult]:
    info = machine.path(name).stat()
    mode = stat.S_IMODE(info.st_mode)
    if not stat.S_ISREG(info.st_mode):
        yield bad("install", f"{name} is no regular file", "auditd takes only those.")
    elif (machine.is_this and info.st_uid != 0) or mode & forbidden or mode & needed != needed:
        right = "0750" if needed else "0640"
        yield bad(
            "install",
            f"{name}: owner {info.st_uid}, mode {mode:04o}: auditd refuses it (4.2 is the strictest)",
            f"chown root:root {name} && chmod {right} {name}",
        )


def _interpreter(machine: Machine, program: str) -> Iterator[CheckResult]:
    """The interpreter and our package: whoever may write them, or a directory above, is root."""
    first = (machine.text(program) or "").partition("\n")[0]
    if not first.startswith("#!") or not machine.is_this:
        return
    python = first[2:].split()[0]
    if not Path(python).exists():
        yield bad("install", f"{program} asks for {python}, which is not there", "Run `annotator install` again.")
        return
    for what in (Path(python), Path(python).resolve(), Path(__file__).resolve().parent.parent):
        for each in (what, *what.parents):
            info = each.lstat()
            loose = info.st_mode & 0o022 and not info.st_mode & stat.S_ISVTX and not stat.S_ISLNK(info.st_mode)
            if info.st_uid != 0 or loose:
                yield warning(
                    "install",
                    f"{each} is not root's alone (owner {info.st_uid}, mode {stat.S_IMODE(info.st_mode):04o})",
                    "auditd runs it as root: install the program where only root may write, such as /opt.",
                )
                return
    yield ok("install", f"{program}: its interpreter and this package are root's alone")
