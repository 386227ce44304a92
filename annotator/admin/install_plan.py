"""The plan of an installation: every file, its place and its mode. Nothing is written here.

auditd's rules for plugins (read from its sources, 2.8 to 4.2): the directory is /etc/audit/plugins.d, before 3.0
/etc/audisp/plugins.d; a name has one dot, `.conf`; keys and values with blanks around `=`, no quoting; up to 3.1.2 (and
in 4.0) `args` takes two words; before 4.1.4 a line of more than 159 bytes is skipped. The file is root's and not
writable by others (from 4.2 on not by the group either); the program has at least 0750 and is not group-writable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from annotator.admin import rules
from annotator.admin.completions import completion
from annotator.core.errors import AnnotatorError, UsageError

DATA: Final = Path(__file__).parent.parent / "data"
CONFIG: Final = "/etc/annotator/annotator.toml"
MANIFEST: Final = "/etc/annotator/.installed.json"
PROGRAM: Final = "/usr/local/sbin/audisp-contid"
LOGS: Final = "/var/log/annotator"
STATE: Final = "/var/lib/annotator"
RUN: Final = "/run/annotator"
RULES: Final = "/etc/audit/rules.d"
PLUGINS: Final = ("/etc/audit/plugins.d", "/etc/audisp/plugins.d")
STANZA: Final = "audisp-contid.conf"
HOOK: Final = "/etc/containers/oci/hooks.d/annotator.json"
SHARE: Final = "/usr/local/share"
DOC: Final = f"{SHARE}/doc/annotator"

PURGED: Final = (LOGS, STATE)
"""The directories that the running plugin fills: only `uninstall --purge` removes them."""

_DOCUMENTS: Final = {
    "man/annotator.1": f"{SHARE}/man/man1/annotator.1",
    "man/annotator.toml.5": f"{SHARE}/man/man5/annotator.toml.5",
    "man/audisp-contid.8": f"{SHARE}/man/man8/audisp-contid.8",
    "siem.md": f"{DOC}/siem.md",
    "running.md": f"{DOC}/running.md",
    "selinux.md": f"{DOC}/selinux.md",
    "selinux/annotator.te": f"{DOC}/annotator.te",
    "selinux/annotator.fc": f"{DOC}/annotator.fc",
    "apparmor.md": f"{DOC}/apparmor.md",
    "event.schema.json": f"{DOC}/event.schema.json",
}


_COMPLETIONS: Final = {
    "bash": f"{SHARE}/bash-completion/completions/annotator",
    "zsh": f"{SHARE}/zsh/site-functions/_annotator",
    "fish": f"{SHARE}/fish/vendor_completions.d/annotator.fish",
}


class Entry(NamedTuple):
    """One file. `path` is absolute on the machine; `is_own`: one that is there already is the administrator's own."""

    path: str
    data: bytes
    mode: int
    is_own: bool = False


class Options(NamedTuple):
    """The options. `program`: a plugin that is there already; `hook`: the program of the OCI hook ("": none)."""

    levels: tuple[str, ...] = rules.DEFAULT
    python: str = "/usr/bin/python3"
    machine: str = "x86_64"
    program: str = ""
    hook: str = ""
    active: bool = True
    documents: bool = True


def plugins(root: Path) -> str:
    """The directory of auditd's plugins on this machine. Raises UsageError when there is no auditd."""
    for one in PLUGINS:
        try:
            if (root / one[1:]).is_dir():
                return one
        except PermissionError as error:
            raise AnnotatorError(f"{root / one[1:]}: {error.strerror}", "Run it as root.") from error
    raise UsageError(
        f"no auditd below {root}: neither {PLUGINS[0]} nor {PLUGINS[1]} is there",
        "Install auditd first (package auditd or audit), or name another --root.",
    )


def plan(root: Path, options: Options) -> list[Entry]:
    """Every file, in the order of writing: the stanza last, as it is what starts the plugin. Raises UsageError."""
    entries = [Entry(CONFIG, (DATA / "annotator.toml").read_bytes(), 0o640, is_own=True)]
    for level in rules.LEVELS:  # in their own order, each once
        if level in options.levels:
            text = rules.render(rules.source(level), options.machine)
            entries.append(Entry(f"{RULES}/{rules.LEVELS[level]}", text.encode(), 0o640))
    for level in options.levels:
        rules.source(level)
    if options.documents:
        entries += [Entry(path, (DATA / name).read_bytes(), 0o644) for name, path in _DOCUMENTS.items()]
        entries += [Entry(path, completion(shell).encode(), 0o644) for shell, path in _COMPLETIONS.items()]
        entries.append(Entry(f"{DOC}/rules.md", (rules.directory() / "README.md").read_bytes(), 0o644))
    if options.hook:
        entries.append(Entry(HOOK, hook(options.hook), 0o644))
    if not options.program:
        entries.append(Entry(PROGRAM, launcher(options.python), 0o750))
    directory = plugins(root)
    entries.append(Entry(f"{directory}/{STANZA}", stanza(options.program or PROGRAM, active=options.active), 0o640))
    return entries


def stanza(program: str, *, active: bool = True) -> bytes:
    """The plugin's file for auditd. Raises UsageError for a path that it could not read."""
    if not program.startswith("/") or any(char.isspace() or not char.isprintable() for char in program):
        raise UsageError(f"{program!r} is no path that auditd can read", "It must be absolute and without blanks.")
    words = ("yes" if active else "no", "out", program, "always", "string")
    lines = ["# Written by `annotator install`. See audisp-contid(8)."]
    lines += [
        f"{key} = {word}" for key, word in zip(("active", "direction", "path", "type", "format"), words, strict=True)
    ]
    if long := [line for line in lines if len(line.encode()) > 159]:
        raise UsageError(f"auditd skips lines of more than 159 bytes: {long[0]}", "Choose a shorter path.")
    return ("\n".join(lines) + "\n").encode()


def launcher(python: str) -> bytes:
    """The program auditd starts, with an empty environment. Raises UsageError for an interpreter it cannot name."""
    return f"{interpreter_line(python)}\nimport sys\n\nfrom annotator.plugin import main\n\nsys.exit(main())\n".encode()


def interpreter_line(python: str) -> str:
    """The first line of a program. Raises UsageError for an interpreter that it cannot name.

    `-I`: nothing of the directory, the environment or a user's own packages is looked at.
    """
    line = f"#!{python} -I"
    if not python.startswith("/") or any(char.isspace() for char in python) or len(line.encode()) > 127:
        raise UsageError(
            f"{python!r} cannot stand in the first line of a program",
            "It must be absolute, without blanks, of at most 120 bytes: make the virtual environment elsewhere.",
        )
    return line


def hook(program: str) -> bytes:
    """The hook's file for podman and CRI-O (oci-hooks(5)). Raises UsageError."""
    if not program.startswith("/") or '"' in program or "\\" in program or not program.isprintable():
        raise UsageError(f"{program!r} is no path of a hook", "It must be absolute and printable.")
    return (DATA / "hooks" / "annotator.json").read_text("utf-8").replace("@PROGRAM@", program).encode()


def directories() -> dict[str, int]:
    """Directories that are ours beside those that files need, with their modes."""
    return {LOGS: 0o750}
