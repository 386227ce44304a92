"""Command lines of engines, read as the programs read them; what a line leaves open is not guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import NO_PID, EngineCommand, Ns, Role
from annotator.linux.engines.commands import READERS, read
from annotator.linux.engines.programs import READ, Engines, canonical, engines_of

ID = "1b" * 32
OTHER = "2c" * 32


def said(line: str, exe: str = "", uid: int = 0) -> EngineCommand | None:
    """What a line of words says, run as a program of /usr/bin unless `exe` is given."""
    words = line.encode().split()
    return read(7, uid, exe.encode() or b"/usr/bin/" + words[0].rpartition(b"/")[2], words)


@pytest.mark.parametrize(
    ("line", "role", "id"),
    [
        ("runc run -d -b /srv/web web", Role.CREATE, "web"),
        ("runc --root /run/r --log-format json create --bundle /b --pid-file /p web", Role.CREATE, "web"),
        ("runc create --pidfd-socket /run/s.sock --bundle /b web", Role.CREATE, "web"),
        (f"runc exec --pidfd-socket /run/s.sock {ID} sh", Role.ENTER, ID),
        (f"runc exec --process /p --detach --pid-file /q {ID}", Role.ENTER, ID),
        (f"runc exec -t -u 0 {ID} sh -c id", Role.ENTER, ID),
        (f"runc -debug exec -tty=true -cwd=/ {ID} sh", Role.ENTER, ID),
        (f"runc exec -- {ID} sh", Role.ENTER, ID),
        ("crun --cgroup-manager systemd create --bundle /b web", Role.CREATE, "web"),
        (f"crun exec --apparmor x -c CAP_KILL {ID} sh", Role.ENTER, ID),
        ("runc restore --image-path /i web", Role.CREATE, "web"),
        (f"conmon --api-version 1 -c {ID} -u {ID} -r /usr/bin/crun -n web -b /b", Role.CREATE, ID),
        (f"conmon --cid={ID} -e --exec-process-spec /x", Role.ENTER, ID),
        ("lxc-start -n mail -d", Role.CREATE, "mail"),
        ("lxc-start -P /srv mail", Role.CREATE, "mail"),
        ("lxc-attach -e mail -- id", Role.ENTER, "mail"),
        ("lxc-attach -vX=1 -n mail", Role.ENTER, "mail"),
        ("lxc-execute -s lxc.x=1 mail true", Role.CREATE, "mail"),
        ("systemd-nspawn -bD /var/lib/machines/m1", Role.CREATE, "m1"),
        ("systemd-nspawn --mach m2 --private-users -D /x", Role.CREATE, "m2"),
        ("systemd-nspawn -i /srv/m3.raw", Role.CREATE, "m3"),
        (f"containerd-shim-runc-v2 -namespace moby -id {ID} -address /a", Role.NAME, ID),
    ],
)
def test_a_line_names_a_container(line: str, role: Role, id: str) -> None:
    """The engine's own options are known, in all ways in which its parser takes them."""
    command = said(line)
    assert command is not None
    assert (command.role, command.id, command.ids) == (role, id, ())


@pytest.mark.parametrize(
    ("line", "id", "ids"),
    [
        (f"runc run --new-option x {ID}", ID, ()),
        ("runc run --new-option x -b /srv/web web", "web", ()),
        ("runc run --new-option x -b /srv/other web", "", ("web",)),
        ("runc exec --new-option x web sh", "", ("x", "web")),
        ("runc exec --new-option=x web sh", "", ("web",)),
        ("runc exec --new-option -t web sh", "", ("web",)),
    ],
)
def test_an_unknown_option_is_skipped_where_the_id_is_certain(line: str, id: str, ids: tuple[str, ...]) -> None:
    """It may take the next word or not: then each may be the id, and a container that is known decides."""
    command = said(line)
    assert command is not None
    assert (command.id, command.ids) == (id, ids)


@pytest.mark.parametrize(
    "line", ["runc init", "runc state web", "runc delete web", "runc", "crun --version", "podman ps"]
)
def test_a_line_about_no_container(line: str) -> None:
    """Other verbs name nothing."""
    assert said(line) is None


@pytest.mark.parametrize(
    ("line", "role", "target"),
    [
        ("nsenter -t 7 -m id", Role.ENTER, 7),
        ("nsenter -at7 id", Role.ENTER, 7),
        ("nsenter --targ=7 --mou --pid -- id", Role.ENTER, 7),
        ("nsenter -m -t 7:4026531841 id", Role.ENTER, 7),
        ("nsenter -m -t 7 -t 7", Role.ENTER, 7),
        ("nsenter -m -u -i -n -p -S 0 -G 0 -t 7 sh -t 9", Role.ENTER, 7),
        ("nsenter -t 7 -t 8 -m id", Role.OPAQUE, NO_PID),
        ("nsenter -t 7 -m --user=/proc/9/ns/user id", Role.OPAQUE, NO_PID),
        ("nsenter -t 7 -m/proc/9/ns/mnt id", Role.OPAQUE, NO_PID),
        ("nsenter -t 7 -mu id", Role.OPAQUE, NO_PID),
        ("nsenter -t 7 -m -r/srv id", Role.OPAQUE, NO_PID),
        ("nsenter -t 7 -m --new-option id", Role.OPAQUE, NO_PID),
    ],
)
def test_nsenter_is_read_as_util_linux_reads_it(line: str, role: Role, target: int) -> None:
    """One target and no file of a namespace: `-mu` is the mount namespace of a file that is called u."""
    command = said(line)
    assert command is not None
    assert (command.role, command.target) == (role, target)


@pytest.mark.parametrize("line", ["nsenter -t 7 -n ip link", "nsenter --net=/run/netns/blue ip", "nsenter -t x -m id"])
def test_nsenter_that_enters_no_container(line: str) -> None:
    """Who joins the network alone is where it was; a file of the network says nothing."""
    command = said(line)
    assert command is None or command.role is Role.OPAQUE


def test_nspawns_container_has_a_pid_namespace() -> None:
    """Its outer child has not."""
    command, other = said("systemd-nspawn -M m1"), said("runc run x")
    assert command is not None
    assert other is not None
    assert (command.needs, other.needs) == (Ns.MNT | Ns.PID, Ns.MNT)


def test_clients_name_and_rename() -> None:
    """Who called the engine; and from when on a container has another name."""
    command = said("podman --log-level debug exec -it web sh")
    assert command is not None
    assert (command.role, command.name, command.how) == (Role.NAME, "web", "podman exec")
    command = said("docker container rename web web-old")
    assert command is not None
    assert (command.role, command.id, command.name) == (Role.RENAME, "web", "web-old")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("runc", "runc"), (".runc-wrapped", "runc"), ("docker-runc", "runc"), ("docker-runc-current", "runc"),
        ("nvidia-container-runtime", "runc"), ("nvidia-container-runtime.cdi", "runc"), ("sysbox-runc", "runc"),
        ("runc.amd64", "runc"), ("runc-1.1.12", "runc"), ("crun-1.14", "crun"), ("youki", "youki"), ("runsc", "runc"),
        ("kata-runtime", "runc"), ("containerd-shim-kata-v2", "containerd-shim"), ("conmon", "conmon"),
        (".conmon-wrapped", "conmon"), ("containerd-shim-runc-v1", "containerd-shim"),
        ("bash", ""), ("truncate", ""), ("runcon", ""), ("prunc", ""), ("run", ""), ("containerd", ""), ("", ""),
    ],
)  # fmt: skip
def test_programs_by_the_names_that_distributions_give_them(name: str, known: str) -> None:
    """A name alone is worth nothing yet."""
    assert canonical(name.encode()).decode() == known


@pytest.mark.parametrize(
    ("exe", "rooted"),
    [
        ("/usr/sbin/runc", True), ("/var/lib/k0s/bin/runc", True), ("/nix/store/a7-runc/bin/.runc-wrapped", True),
        ("/var/vcap/packages/runc/bin/runc", True), ("/home/kubernetes/bin/runc", True), ("/opt/cni/runc", True),
        ("/home/u/runc", False), ("/tmp/runc", False), ("/srv/runc", False), ("/root/runc", False),
    ],
)  # fmt: skip
def test_places(exe: str, rooted: bool) -> None:
    """Where root keeps programs, and where anybody may put one."""
    command = said(f"runc run {ID}", exe)
    assert command is not None
    assert command.rooted is rooted


def test_a_users_own_file_carries_nothing_on() -> None:
    """A file where root keeps none may be root's own choice, and is never an engine's for another uid."""
    engines = Engines()
    assert engines.carries(b"/srv/runc", 0)
    assert not engines.carries(b"/home/u/runc", 1000)
    assert engines.carries(b"/usr/bin/crun", 1000)
    assert engines.carries(b"/usr/bin/runc (deleted)", 0)
    assert not engines.carries(b"/usr/bin/podman", 0)


def test_a_site_names_its_own() -> None:
    """By base name, by path, or by the directory where its engines lie."""
    engines = engines_of(["myrunc", "/srv/x/oci"], ["/srv/engines"])
    assert engines.name(b"/any/myrunc") == b"runc"
    assert engines.is_roots(b"/srv/x/oci")
    assert engines.is_roots(b"/srv/engines/runc")
    assert not engines.is_roots(b"/srv/enginesrunc")
    command = read(7, 0, b"/srv/x/oci", [b"oci", b"run", b"-b", b"/b", b"web"], engines)
    assert command is not None
    assert (command.id, command.rooted) == ("web", True)


def test_a_sealed_copy_is_read_by_its_first_word() -> None:
    """What it is worth is decided by what the process ran before; its words are compared."""
    words = [b"runc", b"exec", ID.encode(), b"id"]
    one = read(7, 0, b"/memfd:x (deleted)", words)
    other = read(7, 0, b"/memfd:x (deleted)", [*words, b"-a"])
    plain = read(7, 0, b"/usr/bin/runc", words)
    assert one is not None
    assert other is not None
    assert plain is not None
    assert one.sealed
    assert not plain.sealed
    assert one.line != other.line


def test_one_list_of_programs() -> None:
    """Whose words are read stands in `programs`."""
    assert set(READERS) == set(READ)


@given(st.sampled_from(sorted(READERS)), st.lists(st.binary(max_size=12), max_size=12))
def test_any_words_are_read(name: bytes, words: list[bytes]) -> None:
    """Nothing that anybody may write on a command line stops the reader."""
    command = read(7, 0, b"/usr/bin/" + name, [name, *words])
    assert command is None or command.pid == 7
