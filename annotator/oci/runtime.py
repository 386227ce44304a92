"""`annotator-oci-runtime`: stands in for an engine's OCI runtime on a kernel with contid patches.

There a hook cannot register: at createRuntime the container's first process has threads already (EBUSY), and is no
descendant of the hook (EXDEV). So this program, which the engine starts as its runtime, forks: the child waits, the
parent writes the contid to `/proc/CHILD/audit_containerid`, then the child becomes the real runtime, and the container
inherits. All arguments but our own go on as they are, and so do descriptors, signals and the exit code.

What a later `exec` starts cannot be put into the container: its runtime is no descendant of who owns the number
(ENOTUNIQ). It is logged and goes on. On a stock kernel the runtime is run in our place; with `--annotator-hook` that
hook is first put into the bundle, for engines that cannot be given one.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from annotator.core.errors import AnnotatorError, UsageError
from annotator.io.log import AUTHPRIV, Log

if TYPE_CHECKING:
    from collections.abc import Callable

OWN = "--annotator-"
USAGE = """\
usage: annotator-oci-runtime [--annotator-runtime=PATH] [--annotator-hook=PATH] [--annotator-required] ARGUMENT...
Stands in for an OCI runtime: registers the container to be made with the kernel (contid patches), then runs it.
  --annotator-runtime=PATH  the real runtime; default $ANNOTATOR_OCI_RUNTIME, else runc or crun of PATH
  --annotator-hook=PATH     on a stock kernel, add this hook (annotator-oci-hook) to the bundle
  --annotator-required      make no container that cannot be registered
"""

_MAKES = ("create", "run", "restore")
_GLOBAL_VALUES = frozenset((
    "--root", "--log", "--log-format", "--criu", "--rootless", "--cgroup-manager", "--systemd-cgroup-path",
))  # fmt: skip
_VALUES = frozenset((
    "-b", "--bundle", "--console-socket", "--pid-file", "--preserve-fds", "-f", "--config", "--process", "-p",
    "--cwd", "-u", "--user", "-e", "--env", "--apparmor", "--process-label", "-c", "--cap", "--additional-gids", "-g",
    "--cgroup", "--detach-keys", "--image-path", "--work-path", "--parent-path", "--page-server",
    "--manage-cgroups-mode", "--lsm-profile", "--lsm-mount-context", "--empty-ns",
))  # fmt: skip
"""Options of runc 1.1 and crun 1.8 that take the next word as their value."""

_FORWARDED = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
    signal.SIGCONT, signal.SIGALRM,
)  # fmt: skip


class Options(NamedTuple):
    """Our own part of the command line, and the runtime's."""

    runtime: str
    arguments: tuple[str, ...]
    required: bool = False
    hook: str = ""


class Task(NamedTuple):
    """What the runtime is asked for: `verb` "" where it was not understood."""

    verb: str
    id: str


def options(arguments: list[str], environment: dict[str, str]) -> Options:
    """Raises UsageError."""
    runtime, required, hook = environment.get("ANNOTATOR_OCI_RUNTIME", ""), False, ""
    at = 0
    while at < len(arguments) and arguments[at].startswith(OWN):
        name, _, value = arguments[at][len(OWN) :].partition("=")
        if name == "runtime" and value:
            runtime = value
        elif name == "required" and not value:
            required = True
        elif name == "hook" and value.startswith("/"):
            hook = value
        else:
            raise UsageError(f"{arguments[at][:64]!r} is no option", USAGE)
        at += 1
    path = environment.get("PATH") or os.defpath
    for name in (runtime,) if runtime else ("runc", "crun"):
        found = _which(name, path)
        if found and not _is_ours(found):
            return Options(found, tuple(arguments[at:]), required, hook)
    raise UsageError(f"there is no runtime {runtime or 'runc or crun'}", "Name it: --annotator-runtime=PATH")


def _which(name: str, path: str) -> str:
    for folder in ("",) if "/" in name else path.split(":"):
        full = f"{folder}/{name}" if folder else name
        if "/" in full and os.access(full, os.X_OK):
            return full
    return ""


def _is_ours(path: str) -> bool:
    """A wrapper that runs itself would never end."""
    return os.path.realpath(path) == os.path.realpath(sys.argv[0])


def task(arguments: tuple[str, ...]) -> Task:
    """The command of a runtime's command line, and the id it is about."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 2 if arguments[at] in _GLOBAL_VALUES else 1
    if at >= len(arguments):
        return Task("", "")
    skip = False
    for word in arguments[at + 1 :]:
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            skip = word in _VALUES
        else:
            return Task(arguments[at], word)
    return Task(arguments[at], "")


def write_contid(root: str, pid: int, contid: int) -> None:
    """The write itself: one call, decimal, no newline needed. Raises OSError with the kernel's refusal."""
    fd = os.open(f"{root}/proc/{pid}/audit_containerid", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, str(contid).encode())
    finally:
        os.close(fd)


def log_notice(text: str) -> None:
    """Log to syslog: standard output and error are the engine's, or a container's. Where nobody listens it is lost."""
    Log(tag="annotator-oci-runtime", facility=AUTHPRIV).write("notice", text)


def main(
    arguments: list[str] | None = None,
    *,
    root: str = "",
    write: Callable[[str, int, int], None] = write_contid,
    log: Callable[[str], None] = log_notice,
) -> int:
    """Run as a runtime; returns its exit code, or never: on a stock kernel it takes our place."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        chosen = options(given, dict(os.environ))
    except AnnotatorError as err:
        sys.stderr.write(f"annotator-oci-runtime: {err}\n")
        return 2
    wanted = task(chosen.arguments)
    if not os.path.exists(f"{root}/proc/self/audit_containerid"):  # noqa: PTH110
        failed = _inject_hook(chosen) if wanted.verb in _MAKES else ""
        if failed:
            log(f"event=not-registered id={wanted.id!r} why={failed!r}")
        if failed and chosen.required:
            sys.stderr.write(f"annotator-oci-runtime: {failed}\n")
            return 1
        _become(chosen)
    if wanted.verb == "exec":
        log(f"event=exec-not-registered id={wanted.id!r} why='only descendants of who owns the contid can be'")
    if wanted.verb not in _MAKES or not wanted.id:
        _become(chosen)
    return _run_registered(chosen, wanted, root, write, log)


def _inject_hook(chosen: Options) -> str:
    """Give the container its hook; returns "" or what went wrong."""
    if not chosen.hook:
        return "this kernel has no contid: use annotator-oci-hook" if chosen.required else ""
    from annotator.oci.bundle import inject

    try:
        inject(bundle(chosen.arguments), chosen.hook, ("--required",) if chosen.required else ())
    except (AnnotatorError, OSError) as err:
        return f"no hook in the bundle: {err}"
    return ""


def bundle(arguments: tuple[str, ...]) -> str:
    """Where the configuration is: `--bundle`, else here."""
    for at, word in enumerate(arguments):
        name, given, value = word.partition("=")
        if name in ("-b", "--bundle", "-bundle"):
            return value if given else arguments[at + 1] if at + 1 < len(arguments) else "."
        if word == "--":
            break
    return "."


def _run_registered(
    chosen: Options, wanted: Task, root: str, write: Callable[[str, int, int], None], log: Callable[[str], None]
) -> int:
    """Fork, register the child, let it become the runtime; returns its exit code."""
    from annotator.core.registry import derive_contid

    contid = int(derive_contid(wanted.id))
    wait_end, go_end = os.pipe()
    parent = os.getpid()
    old = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    child = os.fork()
    if child == 0:
        os.close(go_end)
        _child(chosen, wait_end, parent, old)
    os.close(wait_end)
    for number in _FORWARDED:
        signal.signal(number, lambda which, _: os.kill(child, which))
    signal.pthread_sigmask(signal.SIG_SETMASK, old)
    failed = ""
    try:
        write(root, child, contid)
        log(f"event=registered pid={child} contid={contid} id={wanted.id!r}")
    except OSError as err:
        failed = errno.errorcode.get(err.errno or 0, str(err))
        log(f"event=not-registered pid={child} contid={contid} id={wanted.id!r} error={failed}")
    go = not (failed and chosen.required)
    if go:
        os.write(go_end, b"!")
    else:
        sys.stderr.write(f"annotator-oci-runtime: contid {contid} of {wanted.id!r} was refused: {failed}\n")
    os.close(go_end)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not go:
        return 1
    return code if code >= 0 else 128 - code


def _child(chosen: Options, wait_end: int, parent: int, mask: set[signal.Signals | int]) -> NoReturn:
    """With one thread and no children: wait for the parent's byte, then become the runtime."""
    try:
        _die_with(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if os.read(wait_end, 1):
            if os.environ.get("LISTEN_PID") == str(parent):  # sd_listen_fds(3): the descriptors are the runtime's
                os.environ["LISTEN_PID"] = str(os.getpid())
            _become(chosen)
    except AnnotatorError as err:
        sys.stderr.write(f"annotator-oci-runtime: {err.what}\n")
    finally:
        os._exit(1)


def _die_with(parent: int) -> None:
    """Engines have their runtime killed when they die (PR_SET_PDEATHSIG): that is to reach the real one."""
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _become(chosen: Options) -> NoReturn:
    """Be the runtime from now on. Raises AnnotatorError."""
    try:
        os.execv(chosen.runtime, [chosen.runtime, *chosen.arguments])  # noqa: S606
    except OSError as err:
        raise AnnotatorError(f"{chosen.runtime}: cannot be run: {err.strerror}") from err
