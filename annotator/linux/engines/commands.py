"""Engine command lines: which container a runtime, monitor or attach tool is about to make or enter.

A command line alone proves nothing (anyone may write one): what it is worth is for `core.membership.claims` to say. It
is read as the program itself reads it (`options`, `grammars`); a line that leaves it open which word is the id gives
the candidates, and one that names nothing is `Role.OPAQUE`: an engine is at work, and nobody knows on what.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from annotator.core.model import NO_PID, EngineCommand, Ns, Role
from annotator.linux.engines import grammars
from annotator.linux.engines.options import parse
from annotator.linux.engines.programs import DEFAULT, canonical, is_sealed_copy, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annotator.linux.engines.programs import Engines

_OCI_ROLES = {b"create": Role.CREATE, b"run": Role.CREATE, b"restore": Role.CREATE, b"exec": Role.ENTER}
_HEX = frozenset(b"0123456789abcdef")


def line_of(args: Sequence[bytes]) -> bytes:
    """What two executions of one command line have in common: a digest of their words."""
    return blake2b(b"\0".join(args), digest_size=16).digest()


def read(pid: int, uid: int, exe: bytes, args: Sequence[bytes], engines: Engines = DEFAULT) -> EngineCommand | None:
    """What this command line says; None when it is about no container."""
    sealed = is_sealed_copy(exe)
    name = canonical(name_of(args[0])) if sealed and args else engines.name(exe)
    reader = READERS.get(name)
    if reader is None or len(args) < 2:
        return None
    command = reader(args[1:])
    if command is None:
        return None
    return command._replace(
        pid=pid, uid=uid, rooted=sealed or engines.is_roots(exe), sealed=sealed, line=line_of(args) if sealed else b""
    )


BUNDLE: Final = b'="--bundle"'
"""What an EXECVE record of a runtime with runc's command line has in it."""


def suspected(pid: int, uid: int, exe: bytes, args: Sequence[bytes]) -> EngineCommand | None:
    """An engine that nobody has named, by its grammar alone: `create` or `run` with a bundle. It names nothing."""
    words = parse(args[1:], grammars.OCI_GLOBAL).words
    if len(words) < 4 or _OCI_ROLES.get(words[0]) is not Role.CREATE:
        return None
    parsed = parse(words[1:], grammars.OCI)
    if not parsed.value(b"--bundle") or len(parsed.words) != 1:
        return None
    return _opaque(_show(name_of(exe)))._replace(pid=pid, uid=uid)


def _engine(role: Role, engine: str, id: bytes, how: str, *, name: bytes = b"", target: int = NO_PID) -> EngineCommand:
    return EngineCommand(NO_PID, role, engine, _show(id), _show(name), "", 0, how, target)


def _show(value: bytes) -> str:
    return value[:512].decode("utf-8", "backslashreplace")


def _oci(engine: str) -> Callable[[Sequence[bytes]], EngineCommand | None]:
    def read_oci(args: Sequence[bytes]) -> EngineCommand | None:
        before = parse(args, grammars.OCI_GLOBAL)
        words = before.words
        if words[:1] and words[0] not in _OCI_ROLES and before.unknown:  # a value that was taken for the verb, or not
            return _opaque(engine) if any(word in _OCI_ROLES for word in args) else None
        if not words or words[0] not in _OCI_ROLES:
            return None
        verb = words[0]
        role, how = _OCI_ROLES[verb], f"{engine} {verb.decode()}"
        parsed = parse(words[1:], grammars.OCI)
        if not parsed.unknown:
            # crun's argp allows options behind the id of create and run; of runc's exec the command follows
            return _engine(role, engine, parsed.words[0], how) if parsed.words else None
        bundle = name_of(parsed.value(b"--bundle", b"-b").rstrip(b"/"))
        last = words[-1]
        if role is Role.CREATE and (is_id(last) or last == bundle):
            return _engine(role, engine, last, how)
        doubtful = (last,) if role is Role.CREATE else (*parsed.doubtful, *parsed.words[:1])
        return _engine(role, engine, b"", how)._replace(ids=tuple(map(_show, doubtful[:16])))

    return read_oci


def _opaque(engine: str) -> EngineCommand:
    return _engine(Role.OPAQUE, engine, b"", "")


def is_id(word: bytes) -> bool:
    """Whether a word is an id as engines with images make them: 64 hex digits."""
    return len(word) == 64 and _HEX.issuperset(word)


def _conmon(args: Sequence[bytes]) -> EngineCommand | None:
    parsed = parse(args, grammars.CONMON)
    container = parsed.value(b"-c", b"--cid")
    if not container:
        return None
    if parsed.unknown and container in parsed.doubtful:
        return _opaque("podman")
    entering = parsed.has(b"-e", b"--exec", b"--exec-attach", b"--exec-process-spec")
    how, name = "podman exec" if entering else "", parsed.value(b"-n", b"--name")
    return _engine(Role.ENTER if entering else Role.CREATE, "podman", container, how, name=name)


def _shim(args: Sequence[bytes]) -> EngineCommand | None:
    parsed = parse(args, grammars.SHIM)
    container, namespace = parsed.value(b"-id"), parsed.value(b"-namespace")
    if not container or namespace == b"k8s.io":  # of a pod's shim the id is the sandbox's, not the container's
        return None
    return _engine(Role.NAME, "docker" if namespace == b"moby" else "containerd", container, "")


def _lxc(role: Role, how: str) -> Callable[[Sequence[bytes]], EngineCommand | None]:
    grammar = grammars.LXC_ATTACH if role is Role.ENTER else grammars.LXC

    def read_lxc(args: Sequence[bytes]) -> EngineCommand | None:
        parsed = parse(args, grammar)
        name = parsed.value(b"-n", b"--name")
        if not name and parsed.unknown:
            return _opaque("lxc")
        name = name or (parsed.words[0] if parsed.words else b"")
        return _engine(role, "lxc", name, how, name=name) if name else None

    return read_lxc


def _nspawn(args: Sequence[bytes]) -> EngineCommand | None:
    parsed = parse(args, grammars.NSPAWN)
    name = parsed.value(b"-M", b"--machine")
    if not name:
        if parsed.unknown:
            return _opaque("nspawn")
        name = name_of((parsed.value(b"-D", b"--directory") or parsed.value(b"-i", b"--image")).rstrip(b"/"))
        name = name.removesuffix(b".raw")
    if not name:
        return None
    # the outer child has a mount namespace only, and works on the host's files (nspawn.c, outer_child)
    return _engine(Role.CREATE, "nspawn", name, "systemd-nspawn", name=name)._replace(needs=Ns.MNT | Ns.PID)


_NSENTER_FILES = b"-m --mount -u --uts -i --ipc -n --net -p --pid -C --cgroup -U --user -T --time -r --root".split()
_NSENTER_OTHERS = (b"-N", b"--net-socket", b"-W", b"--wdns")


def _nsenter(args: Sequence[bytes]) -> EngineCommand | None:
    """Believed with one target, and no namespace from a file: those need not be the target's."""
    parsed = parse(args, grammars.NSENTER)
    targets = set(parsed.values(b"-t", b"--target"))
    files = any(parsed.values(*_NSENTER_FILES)) or parsed.has(*_NSENTER_OTHERS)
    if parsed.unknown or files or len(targets) > 1:
        return _opaque("")
    if not targets or not parsed.has(b"-a", b"--all", b"-m", b"--mount"):
        return None
    target = targets.pop().partition(b":")[0]  # util-linux 2.41: PID:INODE
    if not target.isdigit() or len(target) > 10:
        return None
    return _engine(Role.ENTER, "", b"", "nsenter", target=int(target))


def _client(engine: str) -> Callable[[Sequence[bytes]], EngineCommand | None]:
    def read_client(args: Sequence[bytes]) -> EngineCommand | None:
        words = parse(args, grammars.CLIENT_GLOBAL).words
        if words[:1] == (b"container",):
            words = words[1:]
        if len(words) < 2 or words[0] not in (b"exec", b"run", b"start", b"create", b"rename"):
            return None
        parsed = parse(words[1:], grammars.CLIENT)
        if words[0] == b"rename":
            if parsed.unknown or len(parsed.words) != 2:
                return None
            return _engine(Role.RENAME, engine, parsed.words[0], f"{engine} rename", name=parsed.words[1])
        of_word = words[0] in (b"exec", b"start")
        name = (parsed.words[0] if parsed.words else b"") if of_word else parsed.value(b"--name")
        if of_word and parsed.doubtful:
            name = b""
        command = _engine(Role.NAME, engine, b"", f"{engine} {words[0].decode()}", name=name)
        if words[0] == b"exec" and name and len(parsed.words) > 1:
            command = command._replace(runs=line_of(parsed.words[1:]))
        return command

    return read_client


READERS: Final[dict[bytes, Callable[[Sequence[bytes]], EngineCommand | None]]] = {
    b"runc": _oci("runc"),
    b"crun": _oci("crun"),
    b"youki": _oci("youki"),
    b"conmon": _conmon,
    b"containerd-shim": _shim,
    b"lxc-start": _lxc(Role.CREATE, "lxc-start"),
    b"lxc-execute": _lxc(Role.CREATE, "lxc-execute"),
    b"lxc-attach": _lxc(Role.ENTER, "lxc-attach"),
    b"systemd-nspawn": _nspawn,
    b"nsenter": _nsenter,
    b"podman": _client("podman"),
    b"docker": _client("docker"),
    b"nerdctl": _client("nerdctl"),
}
