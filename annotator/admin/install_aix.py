"""The plan of an installation on AIX: a subsystem for SRC instead of an auditd plugin, and advice on its audit.

Nothing of /etc/security/audit is written: its files are the site's, and one that is wrong can stop auditing. What
belongs there, and the commands that enter the subsystem (IBM *mkssys*, *mkitab*), are written as files of ours. None of
this was run on a real AIX by us.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from annotator.admin.install_plan import CONFIG, DATA, DOC, LOGS, SHARE, Entry, interpreter_line
from annotator.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.admin.install_plan import Options

PROGRAM: Final = "/usr/local/sbin/annotator-aix"
FOLDER: Final = "/etc/annotator/aix"
SUBSYSTEM: Final = "annotator"
AUDIT: Final = "etc/security/audit"
"""Where AIX has its audit configuration, below a root."""

NEXT: Final = f"sh {FOLDER}/subsystem.sh; startsrc -s {SUBSYSTEM}; annotator doctor"
TAKE_BACK: Final = f"stopsrc -s {SUBSYSTEM}; rmssys -s {SUBSYSTEM}; rmitab {SUBSYSTEM}"

_DOCUMENTS: Final = {
    "man/annotator.1": f"{SHARE}/man/man1/annotator.1",
    "man/annotator.toml.5": f"{SHARE}/man/man5/annotator.toml.5",
    "install-aix.md": f"{DOC}/install-aix.md",
    "first-day-aix.md": f"{DOC}/first-day-aix.md",
    "aix-fields.md": f"{DOC}/aix-fields.md",
    "siem.md": f"{DOC}/siem.md",
    "event.schema.json": f"{DOC}/event.schema.json",
}


def is_aix(root: Path) -> bool:
    """Whether this machine, or the tree of files below `root`, is of AIX."""
    return os.uname().sysname == "AIX" if str(root) == "/" else (root / AUDIT / "streamcmds").exists()


def plan(options: Options) -> list[Entry]:
    """Every file, in the order of writing. Raises UsageError for what is of Linux alone."""
    if options.hook:
        raise UsageError("--hook is for Linux: no engine of AIX has hooks", "Leave it out.")
    program = options.program or PROGRAM
    if not program.startswith("/") or any(char.isspace() or not char.isprintable() for char in program):
        raise UsageError(f"{program!r} is no path for SRC", "It must be absolute and without blanks.")
    entries = [
        Entry(CONFIG, (DATA / "aix/annotator.toml").read_bytes(), 0o640, is_own=True),
        Entry(f"{FOLDER}/audit-config.txt", (DATA / "aix/audit-config.txt").read_bytes(), 0o644),
        Entry(f"{FOLDER}/streamcmds", f"{program} &\n".encode(), 0o644),
        Entry(f"{FOLDER}/subsystem.sh", subsystem(program, active=options.active).encode(), 0o755),
    ]
    if options.documents:
        entries += [Entry(path, (DATA / name).read_bytes(), 0o644) for name, path in _DOCUMENTS.items()]
    if not options.program:
        entries.append(Entry(PROGRAM, launcher(options.python), 0o750))
    return entries


def subsystem(program: str, *, active: bool = True) -> str:
    """The commands that enter the program at SRC and, if `active`, into /etc/inittab.

    SRC stops it by SIGTERM (15), at last by SIGKILL (9), and starts it again when it ends by itself (-R).
    """
    log = f"{LOGS}/src.log"
    lines = [
        "#!/usr/bin/ksh",
        "# Written by `annotator install`. Enters the subsystem at SRC; run it as root, in Global.",
        f"# To take it back: {TAKE_BACK}",
        f"rmssys -s {SUBSYSTEM} >/dev/null 2>&1",
        f"mkssys -s {SUBSYSTEM} -p {program} -u 0 -e {log} -o {log} -R -Q -S -n 15 -f 9 -w 30 || exit 1",
    ]
    if active:
        start = f"{SUBSYSTEM}:2:once:/usr/bin/startsrc -s {SUBSYSTEM} >/dev/null 2>&1"
        lines.append(f'lsitab {SUBSYSTEM} >/dev/null 2>&1 || mkitab "{start}"')
    return "\n".join(lines) + "\n"


def launcher(python: str) -> bytes:
    """The program of the subsystem: `annotator plugin --source auditstream`. Raises UsageError."""
    words = '["plugin", "--source", "auditstream"]'
    return (
        f"{interpreter_line(python)}\nimport sys\n\nfrom annotator.cli.main import main\n\nsys.exit(main({words}))\n"
    ).encode()
