"""Engine command lines: which container a runtime, monitor or attach tool is about to make or enter.

A command line alone proves nothing (anyone may write one); the core believes it only of an engine's own executable,
run by root or by the rootless owner, and only when a change of namespaces follows. Options are those of runc 1.1,
crun 1.8, conmon 2.1, lxc 5.0, systemd 252, util-linux 2.38 and podman 4.3 (their manual pages).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.model import NO_PID, EngineCommand, Role
from annotator.linux.engines.programs import is_sealed_copy, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SYSTEM = (b"/usr/", b"/bin/", b"/sbin/", b"/opt/", b"/snap/", b"/var/lib/rancher/", b"/nix/store/", b"/gnu/store/")
"""Where an engine's executable lies; anything else is somebody's copy."""

_OCI_GLOBAL = frozenset(b"--root --log --log-format --criu --rootless --cgroup-manager --systemd-cgroup-path".split())
_OCI_VALUES = frozenset(
    b"-b --bundle --console-socket --pid-file --preserve-fds -f --config --process -p --cwd -u --user -e --env "
    b"--apparmor --process-label -c --cap --additional-gids -g --cgroup --detach-keys --image-path --work-path "
    b"--parent-path --page-server --manage-cgroups-mode --lsm-profile --lsm-mount-context --empty-ns".split()
)
_OCI_ROLES = {b"create": Role.CREATE, b"run": Role.CREATE, b"restore": Role.CREATE, b"exec": Role.ENTER}


def is_engine(exe: bytes) -> bool:
    """Whether this executable can be an engine's, by name and place."""
    return name_of(exe) in READERS and exe.startswith(SYSTEM)


def read(pid: int, uid: int, exe: bytes, args: Sequence[bytes]) -> EngineCommand | None:
    """What this command line says, or None when it is about no container (or not understood: never guessed)."""
    name = name_of(exe)
    if is_sealed_copy(exe) and args:
        name = name_of(args[0])
    reader = READERS.get(name)
    if reader is None or len(args) < 2:
        return None
    found = reader(args[1:])
    return found._replace(pid=pid, uid=uid) if found is not None else None


def _engine(role: Role, engine: str, id: bytes, how: str, *, name: bytes = b"", target: int = NO_PID) -> EngineCommand:
    return EngineCommand(NO_PID, role, engine, _show(id), _show(name), "", 0, how, target)


def _show(value: bytes) -> str:
    return value[:512].decode("utf-8", "backslashreplace")


def _positionals(args: Sequence[bytes], with_value: frozenset[bytes]) -> list[bytes]:
    """The words that are no options, up to `--`; options of `with_value` take the next word."""
    found: list[bytes] = []
    skip = False
    for at, word in enumerate(args):
        if skip:
            skip = False
        elif word == b"--":
            return [*found, *args[at + 1 :]]
        elif word[:1] == b"-" and len(word) > 1:
            skip = word in with_value
        else:
            found.append(word)
    return found


def _value(args: Sequence[bytes], *names: bytes) -> bytes:
    """An option's value: `--name X`, `--name=X`, `-nX`."""
    for at, word in enumerate(args):
        if word == b"--":
            break
        if word in names and at + 1 < len(args):
            return args[at + 1]
        for name in names:
            if name[:2] == b"--" and word.startswith(name + b"="):
                return word[len(name) + 1 :]
            if len(name) == 2 and word[:2] == name and len(word) > 2 and word[:2] != b"--":
                return word[2:]
    return b""


def _oci(engine: str) -> Callable[[Sequence[bytes]], EngineCommand | None]:
    def read_oci(args: Sequence[bytes]) -> EngineCommand | None:
        at = 0
        while at < len(args) and args[at][:1] == b"-":
            at += 2 if args[at] in _OCI_GLOBAL else 1
        if at >= len(args) or args[at] not in _OCI_ROLES:
            return None
        rest = args[at + 1 :]
        words = _positionals(rest, _OCI_VALUES)
        if not words:
            return None
        verb = args[at]
        return _engine(_OCI_ROLES[verb], engine, words[0], f"{engine} {verb.decode()}")

    return read_oci


def _conmon(args: Sequence[bytes]) -> EngineCommand | None:
    container = _value(args, b"-c", b"--cid")
    if not container:
        return None
    entering = any(word in (b"-e", b"--exec-attach", b"--exec-process-spec") for word in args)
    entering = entering or any(word.startswith(b"--exec-process-spec=") for word in args)
    role = Role.ENTER if entering else Role.CREATE
    return _engine(role, "podman", container, "podman exec" if entering else "", name=_value(args, b"-n", b"--name"))


def _shim(args: Sequence[bytes]) -> EngineCommand | None:
    container, namespace = _value(args, b"-id"), _value(args, b"-namespace")
    if not container or namespace == b"k8s.io":  # of a pod's shim the id is the sandbox's, not the container's
        return None
    return _engine(Role.NAME, "docker" if namespace == b"moby" else "containerd", container, "")


def _lxc(role: Role, how: str) -> Callable[[Sequence[bytes]], EngineCommand | None]:
    def read_lxc(args: Sequence[bytes]) -> EngineCommand | None:
        name = _value(args, b"-n", b"--name")
        if not name:
            values = frozenset(b"-P --lxcpath -f --rcfile -o --logfile -l --logpriority -c --console -L -p -s".split())
            name = next(iter(_positionals(args, values)), b"")
        return _engine(role, "lxc", name, how, name=name) if name else None

    return read_lxc


def _nspawn(args: Sequence[bytes]) -> EngineCommand | None:
    name = _value(args, b"-M", b"--machine")
    if not name:
        name = _value(args, b"-D", b"--directory", b"-i", b"--image").rstrip(b"/").rpartition(b"/")[2]
        name = name.removesuffix(b".raw")
    return _engine(Role.CREATE, "nspawn", name, "systemd-nspawn", name=name) if name else None


_NSENTER_VALUES = frozenset(b"-t --target -S --setuid -G --setgid".split())


def _nsenter(args: Sequence[bytes]) -> EngineCommand | None:
    target = _value(args, b"-t", b"--target")
    if not target.isdigit() or len(target) > 10:
        return None
    return _engine(Role.ENTER, "", b"", "nsenter", target=int(target))


_RUN_VALUES = frozenset(
    b"-u --user -w --workdir -e --env --env-file --detach-keys --name -v --volume -p --publish --network --net --pid "
    b"--entrypoint -h --hostname --label -l --cidfile --pod --root --runroot --log-level -H --host -c --context".split()
)


def _client(engine: str) -> Callable[[Sequence[bytes]], EngineCommand | None]:
    def read_client(args: Sequence[bytes]) -> EngineCommand | None:
        words = _positionals(args, _RUN_VALUES)
        if words[:1] == [b"container"]:
            words = words[1:]
        if len(words) < 2 or words[0] not in (b"exec", b"run", b"start", b"create"):
            return None
        name = words[1] if words[0] in (b"exec", b"start") else _value(args, b"--name")
        return _engine(Role.NAME, engine, b"", f"{engine} {words[0].decode()}", name=name)

    return read_client


READERS: dict[bytes, Callable[[Sequence[bytes]], EngineCommand | None]] = {
    b"runc": _oci("runc"),
    b"crun": _oci("crun"),
    b"youki": _oci("youki"),
    b"conmon": _conmon,
    b"containerd-shim": _shim,
    b"containerd-shim-runc-v1": _shim,
    b"containerd-shim-runc-v2": _shim,
    b"lxc-start": _lxc(Role.CREATE, "lxc-start"),
    b"lxc-execute": _lxc(Role.CREATE, "lxc-execute"),
    b"lxc-attach": _lxc(Role.ENTER, "lxc-attach"),
    b"systemd-nspawn": _nspawn,
    b"nsenter": _nsenter,
    b"podman": _client("podman"),
    b"docker": _client("docker"),
    b"nerdctl": _client("nerdctl"),
}
