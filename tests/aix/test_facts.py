"""Records to subjects and facts, the same from both trails."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.aix import tail_format
from annotator.aix.auditpr import AuditprParser
from annotator.aix.facts import translate
from annotator.aix.record import Form, Record
from annotator.aix.trail import TrailParser
from annotator.aix.wpar_commands import Verb
from annotator.core.model import NO_PID, UNSET_ID, Evidence, Executed, Exited, Forked, Gap, RootChanged


def record(event: bytes, tail: bytes, **values: Any) -> Record:
    """A text record of pid 4194306 in Global that succeeded."""
    columns: dict[str, Any] = {
        "status": b"OK",
        "pid": 4194306,
        "ppid": 2,
        "wpar": b"Global",
        "wpar_evidence": Evidence.TRAIL,
    }
    return Record(event, 1, 1000, (b"",), Form.COLUMNS, tail=tail, **(columns | values))


def test_lives() -> None:
    """Born, running a program, gone: the pids are Global's own, so the fork is trusted."""
    assert translate(record(b"PROC_Create", b"forked child process 8388612")).reading.facts == (
        Forked(4194306, 8388612, trusted=True),
    )
    execute = record(b"PROC_Execute", b"euid: 0 egid: 0 epriv: 0:0 name /usr/bin/ls -l /tmp")
    assert translate(execute).reading.facts == (Executed(4194306, b"/usr/bin/ls", (b"/usr/bin/ls", b"-l", b"/tmp")),)
    assert translate(record(b"PROC_Delete", b"exited child process 4194306")).reading.facts == (Exited(4194306),)
    assert translate(record(b"FS_Chroot", b"change root directory to: /x")).reading.facts == (RootChanged(4194306),)


def test_an_exit_of_another_pid_ends_nobody() -> None:
    """Which pid the tail of PROC_Delete names is not certain: two different ones are no fact."""
    assert translate(record(b"PROC_Delete", b"exited child process 6")).reading.facts == ()
    assert translate(record(b"PROC_Delete", b"exited child process 6", pid=None)).reading.facts == (Exited(6),)


def test_failure_changes_nothing() -> None:
    """A call that failed is an event, and no fact."""
    failed = record(b"PROC_Create", b"forked child process 8388612", status=b"FAIL_PRIV")
    assert translate(failed).reading.facts == ()


def test_without_a_pid_there_is_no_fact() -> None:
    """A trail without the column p names no process."""
    found = translate(record(b"PROC_Create", b"forked child process 8", pid=None, ppid=None)).reading
    assert found.facts == ()
    assert found.actor is not None
    assert (found.actor.pid, found.actor.ppid) == (NO_PID, NO_PID)


def test_a_loose_fork_is_a_hint() -> None:
    """What a relay has mangled proves nothing."""
    loose = Record(b"PROC_Create", 1, 0, (), Form.LOOSE, status=b"OK", pid=4, tail=b"forked child process 6")
    assert translate(loose).reading.facts == (Forked(4, 6, trusted=False),)


def test_who_acted() -> None:
    """Numbers of `auditpr -r` are ids; names are not, since only the WPAR's own passwd could resolve them."""
    actor = translate(record(b"USER_Login", b"user: a tty: /dev/pts/0", login=b"210", ruser=b"-1")).reading.actor
    assert actor is not None
    assert (actor.auid, actor.uid, actor.tty) == (210, UNSET_ID, b"/dev/pts/0")
    named = translate(record(b"USER_SU", b"root", login=b"appusr")).reading.actor
    assert named is not None
    assert named.auid == UNSET_ID


def test_targets() -> None:
    """A signal has a target."""
    assert translate(record(b"PROC_Kill", b"pid: 3605020, sig: 9")).reading.targets == (3605020,)
    assert translate(record(b"PROC_Kill", b"pid: -1, sig: 9")).reading.targets == ()


def test_switched_auditing_is_a_gap() -> None:
    """Auditing turned on or off: what happened around it may be missing."""
    assert translate(record(b"AUD_It", b"cmd: 1 arg: 0")).reading.facts == (Gap(0),)


def test_the_wpar_that_the_record_names() -> None:
    """The name with its evidence; without a column nothing is stated, not even Global."""
    stated = translate(record(b"FS_Chdir", b"", wpar=b"web")).wpar
    assert stated is not None
    assert (stated.name, stated.evidence) == ("web", Evidence.TRAIL)
    assert translate(record(b"FS_Chdir", b"", wpar=None, wpar_evidence=None)).wpar is None


@pytest.mark.parametrize(
    ("line", "verb", "name"),
    [
        (b"/usr/sbin/startwpar -v web", Verb.START, "web"),
        (b"stopwpar -F -t 30 web", Verb.STOP, "web"),
        (b"/usr/sbin/rebootwpar web", Verb.RESTART, "web"),
        (b"mkwpar -r -n web -h host", Verb.MAKE, "web"),
        (b"rmwpar -F web", Verb.REMOVE, "web"),
        (b"wparexec -n batch /opt/run --all", Verb.RUN, "batch"),
        (b"wparexec /opt/run", Verb.RUN, ""),
        (b"wparexec -f spec /opt/run -n other", Verb.RUN, ""),
        (
            b"wparexec -h host -N interface=en0 address=192.0.2.1 -n batch -- LANG=C /opt/run -n other",
            Verb.RUN,
            "batch",
        ),
        (b"/usr/sbin/startwpar -2 -e LANG=C TZ=UTC0 web", Verb.START, "web"),
        (b"startwpar -2 -eLANG=C web", Verb.START, "web"),
        (b"stopwpar -N -F web", Verb.STOP, "web"),
        (b"stopwpar -r -h -t 30 web", Verb.RESTART, "web"),
        (b"rebootwpar -F -t 5 web", Verb.RESTART, "web"),
        (b"restwpar -f /backup/web.bff -n web", Verb.MAKE, "web"),
        (b"/opt/mcr/bin/restartwpar -d /states web", Verb.START, ""),
        (b"/opt/mcr/bin/movewpar web", Verb.RESTART, ""),
        (b"clogin -l appusr web /usr/bin/ps", Verb.ENTER, "web"),
        (b"startwpar", Verb.START, ""),
        (b"startwpar " + b"x" * 30, Verb.START, ""),
    ],
)
def test_commands_about_wpars(line: bytes, verb: Verb, name: str) -> None:
    """Commands of Global that change a WPAR say when to look again, and about whom."""
    found = translate(record(b"PROC_Execute", b"euid: 0 egid: 0 epriv: 0:0 name " + line)).commands
    assert [(one.verb, one.name, one.pid) for one in found] == [(verb, name, 4194306)]


def test_a_wpar_cannot_pretend() -> None:
    """The same words inside a WPAR, and a command that failed, say nothing."""
    tail = b"euid: 0 egid: 0 epriv: 0:0 name stopwpar other"
    assert translate(record(b"PROC_Execute", tail, wpar=b"web")).commands == ()
    assert translate(record(b"PROC_Execute", tail, status=b"FAIL")).commands == ()


def test_what_ends_a_wpar_from_inside() -> None:
    """`shutdown` of a WPAR's own root is about that WPAR alone; in Global it is about none."""
    tail = b"euid: 0 egid: 0 epriv: 0:0 name /usr/sbin/shutdown -Fr other"
    (found,) = translate(record(b"PROC_Execute", tail, wpar=b"web")).commands
    assert (found.verb, found.name) == (Verb.STOP, "web")
    assert translate(record(b"PROC_Execute", tail)).commands == ()


def test_a_specification_that_is_written_runs_nothing() -> None:
    """`wparexec -w`, but not the `-w` of the command that it is to run."""
    tail = b"euid: 0 egid: 0 epriv: 0:0 name wparexec "
    assert translate(record(b"PROC_Execute", tail + b"-w -o /tmp/spec -n web")).commands == ()
    assert translate(record(b"PROC_Execute", tail + b"-n web /opt/run -w")).commands[0].verb is Verb.RUN


def test_both_trails_give_the_same(sim: Any) -> None:
    """The simulator's text and binary trails give the same actors and facts, by the site's own events file."""
    machine = sim.scenario()
    formats = tail_format.parse_events(machine.events_file().encode())
    text = AuditprParser(ZoneInfo("UTC"))
    lines = machine.auditpr("elrRtpPTcW", numeric=True).split(b"\n")[:-1]
    binary = TrailParser()
    printed = [one for one in text.feed(lines) + text.flush() if isinstance(one, Record)]
    packed = [one for one in binary.feed(machine.trail()) + binary.flush() if isinstance(one, Record)]
    assert len(printed) == len(packed) == len(machine.records)
    for left, right, true in zip(printed, packed, machine.records, strict=True):
        seen, other = translate(left, formats), translate(right, formats)
        assert (seen.reading, seen.commands or other.commands) == (other.reading, other.commands)
        assert seen.wpar is not None
        assert seen.wpar.name == true.truth["wpar"]
    assert sum(1 for one in printed if translate(one, formats).commands) > 10


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(tail_format.BUILT_IN)), st.binary(max_size=120), st.sampled_from(list(Form)), st.booleans()
)
def test_any_tail(event: bytes, tail: bytes, form: Form, bare: bool) -> None:
    """Any tail of any event is translated without an error."""
    values: dict[str, Any] = {} if bare else {"pid": 4, "status": b"OK", "login": tail, "ruser": tail[:9]}
    translate(Record(event, 1, 0, (tail,), form, tail=tail, **values))
