"""An event's fields, actor, action and object mean what the audit library says; bad bytes mean nothing."""

from __future__ import annotations

import json
import lzma
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import Attribution, Event, Reason, Stamp, Status
from annotator.formats.json import document, encode
from annotator.linux.records.detection import UNNAMED
from annotator.linux.records.ecs import meaning
from annotator.linux.records.fields import fields_of
from annotator.linux.records.interpret import MAX_KNOWN, Interpreter, interpret, interpreter_with_passwd
from annotator.linux.records.tables import SYSCALLS

SAMPLES = Path(__file__).parents[2] / "samples" / "linux"
CASE = SAMPLES / "interpret"
LOGS = sorted(path for path in SAMPLES.glob("*/input.log*") if not path.parent.name.startswith("constructed-"))
UNKNOWN = Attribution(Status.UNKNOWN, reason=Reason.NOT_SEEN)


def events_of(path: Path) -> list[Event]:
    """The events of a log, by their stamp's text alone."""
    found: dict[bytes, Event] = {}
    data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    for line in data.split(b"\n"):
        key = line[line.find(b"audit(") + 6 : line.find(b")")]
        seconds, _, serial = key.partition(b":")
        if not serial.isdigit():
            continue
        if key in found:
            found[key].lines.append(line)
        else:
            found[key] = Event(key, b"", Stamp(int(seconds.replace(b".", b"")), int(serial)), line)
    return list(found.values())


def event(*lines: str | bytes) -> Event:
    """One event of these bodies, `TYPE BODY` each."""
    made = Event(b"1700000000.123:42", b"", Stamp(1700000000123, 42), b"")
    raw = [line.encode() if isinstance(line, str) else line for line in lines]
    made.lines = [b"type=%b msg=audit(1700000000.123:42): %b" % tuple(line.split(b" ", 1)) for line in raw]
    return made


CALL = (
    "SYSCALL arch=c000003e syscall={call} success={success} exit={exit} a0=1 a1=2 a2=3 a3=4 items=2 ppid=10 pid=11"
    ' auid=1000 uid=0 gid=0 euid=33 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=7 comm="sh" exe="/bin/dash"'
    ' subj=unconfined key="k"'
)
EXECVE = CALL.format(call=59, success="yes", exit=0)


def fields(parts: dict[str, Any], at: int = 0) -> dict[str, Any]:
    """The fields of one record."""
    found: dict[str, Any] = parts["auditd"]["records"][at]["fields"]
    return found


def rendered() -> list[bytes]:
    """The sample, as it must come out."""
    reader = Interpreter()
    events = events_of(CASE / "input.log")
    return [encode(document(each, UNKNOWN, reader.interpret(each), node=each.node)) for each in events]


def test_recorded_events_come_out_as_expected() -> None:
    """Every kind of event that was recorded keeps its interpretation, byte for byte."""
    expected = (CASE / "expected.json").read_bytes().splitlines(keepends=True)
    for made, want in zip(rendered(), expected, strict=True):
        assert json.loads(made) == json.loads(want)
        assert made == want


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.parent.name)
def test_what_was_read_before_changes_nothing(path: Path) -> None:
    """A fresh interpreter and one that knows it all already say the same: the tables are only faster."""
    used = Interpreter()
    events = events_of(path)
    for each in events:
        used.interpret(each)
    for each in events[:400]:
        assert used.interpret(each) == Interpreter().interpret(each)


def test_an_exec_is_told_in_full() -> None:
    """Actor, program, arguments, users and result of an execve stand where ECS has them."""
    parts = interpret(
        event(
            EXECVE,
            'EXECVE argc=3 a0="ls" a1=2D6C20C3A9 a2="/tmp"',
            'CWD cwd="/root"',
            'PATH item=0 name="/bin/ls" inode=7 dev=fe:01 mode=0104755 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL',
            "PROCTITLE proctitle=6C73002D6C",
        )
    )
    assert parts["event"] == {
        "module": "auditd", "kind": "event", "category": ["process"], "type": ["start"], "action": "executed",
        "outcome": "success",
    }  # fmt: skip
    assert parts["process"] == {
        "pid": 11, "parent": {"pid": 10}, "executable": "/bin/dash", "name": "sh", "args": ["ls", "-l é", "/tmp"],
        "args_count": 3, "command_line": "ls -l é /tmp", "working_directory": "/root",
        "tty": {"char_device": {"major": 136, "minor": 0}},
    }  # fmt: skip
    assert parts["user"] == {"id": "0", "effective": {"id": "33"}, "audit": {"id": "1000"}}
    assert parts["auditd"]["session"] == "7"
    assert parts["auditd"]["summary"] == {
        "actor": {"primary": "1000", "secondary": "0"},
        "object": {"type": "file", "primary": "/bin/ls"},
        "how": "/bin/dash",
    }
    assert fields(parts, 3)["mode"] == "file,suid,755"


def test_the_pieces_of_a_long_argument_are_one() -> None:
    """`aN[m]` over several records is one argument, also where a piece ends within a character."""
    parts = interpret(
        event(
            EXECVE,
            'EXECVE argc=3 a0="x" a1_len=8 a1[0]=C3A9C3',
            'EXECVE a1[1]=A9 a2_len=4 a2[0]="ab" a2[1]="cd"',
        )
    )
    assert parts["process"]["args"] == ["x", "éé", "abcd"]


def test_a_title_is_the_second_best_command_line() -> None:
    """Without EXECVE the title tells the command line, but no arguments: it is cut at 128 bytes."""
    parts = interpret(event(EXECVE, "PROCTITLE proctitle=2F62696E2F7368002D6300"))
    assert parts["process"]["command_line"] == "/bin/sh -c"
    assert "args" not in parts["process"]


def test_no_name_is_looked_up_unless_asked() -> None:
    """A uid of a log from elsewhere has no name here: the log gives it, or a look-up that was asked for."""
    plain, enriched = event(EXECVE), event(EXECVE + '\x1dARCH=x86_64 SYSCALL=execve AUID="ann" UID="rooty" GID="root"')
    assert "name" not in interpret(plain)["user"]
    assert interpret(enriched)["user"]["name"] == "rooty"
    asked = Interpreter({0: "zero"}.get)
    assert asked.interpret(plain)["user"]["name"] == "zero"
    assert asked.interpret(enriched)["user"]["name"] == "rooty"
    assert interpreter_with_passwd().interpret(plain)["user"]["name"] == "root"


def test_the_recording_machine_knows_its_calls_best() -> None:
    """The enriched name of a call wins over our table, and decides the action too."""
    parts = interpret(event(CALL.format(call=9999, success="yes", exit=0) + "\x1dARCH=x86_64 SYSCALL=execve"))
    assert fields(parts)["syscall"] == "execve"
    assert parts["event"]["action"] == "executed"
    assert fields(interpret(event(CALL.format(call=9999, success="yes", exit=0))))["syscall"] == "9999"


def test_unset_is_absent_and_unknown_numbers_stay() -> None:
    """An id that is not set is no id; a type that nobody knows keeps its number."""
    parts = interpret(event(EXECVE.replace("auid=1000", "auid=4294967295").replace("ses=7", "ses=4294967295")))
    assert "audit" not in parts["user"]
    assert "session" not in parts["auditd"]
    assert fields(parts)["auid"] == "unset"
    assert interpret(event("UNKNOWN[1399] a=1"))["auditd"]["records"] == [
        {"type": "UNKNOWN[1399]", "fields": {"a": "1"}}
    ]


@pytest.mark.parametrize("name", ["UNKNOWN[1336]", "URINGOP", "TIME_INJOFFSET", "CONTAINER_ID"])
def test_a_contid_record_is_known_by_its_body(name: str) -> None:
    """The numbers of contid records mean other things on a mainline kernel: the body decides."""
    assert interpret(event(f"{name} record=1 contid=3,^2"))["auditd"]["records"] == [
        {"type": "CONTAINER_ID", "fields": {"record": "1", "contid": "3,^2"}}
    ]
    assert interpret(event("URINGOP uring_op=9 success=yes"))["auditd"]["records"][0]["type"] == "URINGOP"


def test_an_event_the_library_splits_is_one() -> None:
    """LOGIN or a service record beside a SYSCALL record leads one event; the library makes two of it."""
    login = event(
        "LOGIN pid=11 uid=0 subj=u old-auid=4294967295 auid=1000 tty=(none) old-ses=4294967295 ses=7 res=1", EXECVE
    )
    parts = interpret(login)
    assert parts["event"]["action"] == "changed-login-id-to"
    assert parts["process"]["executable"] == "/bin/dash"
    assert parts["auditd"]["summary"]["actor"]["primary"] == "unset"
    assert parts["auditd"]["summary"]["object"] == {"type": "user-session", "primary": "1000"}
    assert len(parts["auditd"]["records"]) == 2


def test_user_records_keep_what_comes_twice() -> None:
    """The record's own pid comes first; names that come again within msg='…' make lists."""
    parts = interpret(
        event(
            'VIRT_CONTROL pid=5 uid=0 auid=1000 ses=3 msg=\'op=start auid=? exe="/x" vm="c" pid=99'
            ' exe="/usr/bin/dockerd" hostname=? res=failed\''
        )
    )
    found = fields(parts)
    assert (found["pid"], found["exe"], found["auid"]) == (["5", "99"], ["/x", "/usr/bin/dockerd"], ["1000", "?"])
    assert parts["process"] == {"pid": 5, "executable": "/usr/bin/dockerd"}
    assert parts["event"]["outcome"] == "failure"
    assert parts["auditd"]["session"] == "3"


def test_bytes_that_are_no_text_are_shown() -> None:
    """What is not UTF-8, raw or in hex, is shown with backslash escapes; a quote or a NUL does not end a record."""
    parts = interpret(event(EXECVE, b"PATH item=0 name=FF00FE", b'CWD cwd="/a\xffb"'))
    assert fields(parts, 1)["name"] == "\\xff\x00\\xfe"
    assert fields(parts, 2)["cwd"] == "/a\\xffb"


def test_eoe_and_lines_that_are_no_records_say_nothing() -> None:
    """EOE is a mark of the plugin's stream, not of the log; rubbish is no record."""
    made = event(EXECVE)
    made.lines += [
        b"type=EOE msg=audit(1700000000.123:42):",
        b"type=EOE msg=audit(1700000000.123:42): ",
        b"rubbish",
        b"",
    ]
    assert interpret(made) == interpret(event(EXECVE))
    made.lines = [b"rubbish"]
    assert interpret(made) == {"event": {"module": "auditd", "kind": "event"}, "auditd": {"records": []}}


def test_the_order_of_ausearch_is_turned() -> None:
    """An event that came last record first is read in the order it was written."""
    lines = (EXECVE, "PROCTITLE proctitle=6C73")
    turned = event(*reversed(lines))
    turned.reversed = True
    assert interpret(turned) == interpret(event(*lines))


def test_the_tables_have_a_bound() -> None:
    """However many bodies come by, no table grows beyond its bound."""
    reader = Interpreter()
    for at in range(MAX_KNOWN + 50):
        reader.interpret(
            event(EXECVE.replace('comm="sh"', f'comm="{at}"').replace("exit=0", f"exit={at}"), f"CWD cwd={at}")
        )
    assert len(reader._tails) <= MAX_KNOWN
    assert len(reader._call_heads) <= MAX_KNOWN
    assert len(reader.known) <= MAX_KNOWN


_NAMES = st.sampled_from(
    [
        "SYSCALL",
        "EXECVE",
        "PATH",
        "CWD",
        "SOCKADDR",
        "PROCTITLE",
        "AVC",
        "USER_AUTH",
        "LOGIN",
        "CONFIG_CHANGE",
        "BPF",
        "ANOM_PROMISCUOUS",
        "UNKNOWN[1399]",
        "X",
    ]
)
_BODIES = st.one_of(
    st.binary(max_size=120),
    st.text(alphabet="a0=[]1\" '():,{}FfSyscalarchsaddrmodexitpidky\x1d-", max_size=120).map(str.encode),
    st.sampled_from(
        [line.encode().split(b" ", 1)[1] for line in (EXECVE, 'EXECVE argc=1 a0="x" a1[0]=41', "PATH mode=0")]
    ),
)


@given(st.lists(st.tuples(_NAMES, _BODIES), max_size=6), st.lists(st.binary(max_size=60), max_size=2))
def test_any_bytes_have_an_answer(records: list[tuple[str, bytes]], rubbish: list[bytes]) -> None:
    """Interpreting never fails, and its answer can always be written as JSON."""
    made = event(*(name.encode() + b" " + body.replace(b"\n", b" ") for name, body in records))
    made.lines += [line.replace(b"\n", b" ") for line in rubbish]
    out = encode(document(made, UNKNOWN, Interpreter().interpret(made), original=True))
    assert out.count(b"\n") == 1
    json.loads(out)


# --- the audit library as the judge -----------------------------------------------------------------------------------

ACCOUNTS = frozenset(
    ("uid", "gid", "euid", "suid", "fsuid", "egid", "sgid", "fsgid", "auid", "ouid", "ogid", "oauid", "old-auid")
)
NUMBERS = frozenset(["list", "family", "proto", "prom", "old_prom"])
MASKS = frozenset(["cap_fp", "cap_fi", "fp", "fi", "pp", "pi", "pe", "pa", "old_pp", "old_pi", "old_pe", "old_pa"])

KNOWN_FIELDS = {
    **dict.fromkeys(ACCOUNTS, "the library looks ids up in this machine's passwd and group files"),
    **dict.fromkeys(NUMBERS, "numbers of the protocol are left as numbers"),
    **dict.fromkeys(MASKS, "capability masks stay masks: forty names for each are no use to a reader"),
    **dict.fromkeys(("a0", "a1", "a2", "a3"), "arguments of a call stay as the kernel wrote them, in SYSCALL records"),
    "old-ses": "unset in ses, but not in old-ses: the library does not know the name",
    "oses": "the same, and -1 since Linux 6",
    "text": "the library drops words without =",
}
"""Fields the two do not show alike, and why."""


def plain(text: str) -> str:
    """The library shows control characters in octal (escape mode TTY); we leave that to the JSON writer."""
    return "".join(f"\\{ord(char):03o}" if ord(char) < 32 else char for char in text)


def library_view(lines: list[bytes]) -> tuple[list[dict[str, list[str]]], list[dict[str, Any]]]:
    """What auparse makes of an event: the fields of all records, and of each part it splits it into, its meaning."""
    auparse = pytest.importorskip("auparse")
    records: list[dict[str, list[str]]] = []
    meanings: list[dict[str, Any]] = []
    failures: list[BaseException] = []

    def ready(parser: Any, what: int, _: None) -> None:
        try:
            if what == auparse.AUPARSE_CB_EVENT_READY:
                meanings.append(meaning_of_parser(parser))  # first: the normaliser goes wrong after a walk over fields
                records.extend(fields_of_parser(parser))
        except Exception as err:  # noqa: BLE001  (what leaves this callback is lost, and the parser with it)
            failures.append(err)

    parser = auparse.AuParser(auparse.AUSOURCE_FEED, None)
    parser.add_callback(ready, None)
    parser.feed(b"".join(line + b"\n" for line in lines))
    parser.flush_feed()
    assert not failures
    return records, meanings


def fields_of_parser(parser: Any) -> list[dict[str, list[str]]]:
    """All fields of all records, interpreted."""
    found: list[dict[str, list[str]]] = []
    parser.first_record()
    while True:
        found.append({})
        parser.first_field()
        while True:
            found[-1].setdefault(parser.get_field_name(), []).append(parser.interpret_field())
            if not parser.next_field():
                break
        if not parser.next_record():
            return found


def meaning_of_parser(parser: Any) -> dict[str, Any]:
    """The normaliser's words; absent where it has none."""
    parser.first_record()
    found: dict[str, Any] = {}
    try:
        parser.aup_normalize(1)  # NORM_OPT_NO_ATTRS
    except (RuntimeError, OSError, ValueError):
        return found
    for word, name in (("action", "get_action"), ("object", "object_kind"), ("how", "how")):
        try:
            found[word] = getattr(parser, f"aup_normalize_{name}")()
        except (RuntimeError, ValueError):
            pass
    for word, name in (("who", "subject_primary"), ("user", "subject_secondary"), ("thing", "object_primary")):
        try:
            if getattr(parser, f"aup_normalize_{name}")():
                found[word] = parser.interpret_field() if word == "thing" else parser.get_field_str()
        except (RuntimeError, ValueError):
            pass
    return found


def recorded() -> list[Event]:
    """Up to 250 events of each log: the library takes its time. Two records in one line it takes for one."""
    return [
        each
        for path in LOGS
        for each in events_of(path)[:250]
        if all(line.isascii() and line.count(b" msg=audit(") == 1 for line in each.lines)
    ]


def test_fields_mean_what_the_library_says() -> None:
    """In all samples every field has the value that auparse shows, but for the known differences."""
    reader = Interpreter()
    wrong: Counter[str] = Counter()
    compared = 0
    for each in recorded():
        theirs, meanings = library_view(each.lines)
        theirs = [one for one in theirs if one.get("type") != ["EOE"]]
        ours = reader.interpret(each)["auditd"]["records"]
        if len(meanings) != 1:  # the library gives the parts of an event that it splits in another order
            continue
        assert len(theirs) == len(ours)
        for one, mine in zip(theirs, ours, strict=True):
            for name, values in one.items():
                known = name in KNOWN_FIELDS and (
                    mine["type"] == "SYSCALL" or name[:1] != "a" or not name[1:].isdigit()
                )
                if name in ("type", "node") or known:
                    continue
                value = mine["fields"].get(name)
                shown = [plain(one) for one in (value if isinstance(value, list) else [value or ""])]
                compared += 1
                if shown != values:
                    wrong[f"{mine['type']} {name}: {shown} where the library has {values}"] += 1
    assert compared > 10000
    assert not wrong, "\n".join(wrong)


def test_actions_and_objects_are_the_librarys() -> None:
    """Action, subject, object and program are the normaliser's wherever it has any, for events it keeps whole."""
    reader = Interpreter()
    wrong: Counter[str] = Counter()
    for each in recorded():
        _, meanings = library_view(each.lines)
        if len(meanings) != 1:
            continue
        theirs = {name: value for name, value in meanings[0].items() if value not in ("", "unknown")}
        parts = reader.interpret(each)
        kind = parts["auditd"]["records"][0]["type"]
        said = parts["auditd"].get("summary", {})
        thing = said.get("object", {})
        ours = {
            "action": parts["event"].get("action"),
            "who": said.get("actor", {}).get("primary", "").replace("unset", "4294967295"),
            "user": said.get("actor", {}).get("secondary"),
            "how": said.get("how"),
            "thing": thing.get("primary"),
            "object": thing.get("type"),
        }
        if "thing" not in theirs:
            theirs.pop("object", None)  # it did not find the path, so its kind is a guess
        if theirs.get("action") in UNNAMED and ours["action"] == parts["auditd"].get("data", {}).get("syscall"):
            theirs.pop("action")  # it only says that a rule was hit
        if kind.startswith("DAEMON_"):
            theirs.pop("how", None)  # "init" and "signal" are no programs
        if kind in ("CONTAINER_ID", "CONTAINER_OP"):
            theirs = {}  # the library takes them for what the number means on a mainline kernel
        wrong.update(
            f"{kind} {name}: {ours[name]!r} where the library has {value!r}: {each.lines[0][:200]!r}"
            for name, value in theirs.items()
            if ours[name] != value
        )
    assert not wrong, "\n".join(wrong)


def test_a_form_that_is_known_changes_no_value() -> None:
    """A body of a form seen before is read as if it were the first: quotes and the marks that end a list included."""
    for value in ('"root"', "x,", "x'", "x)", "(null)", '"a"'):
        alone = fields_of("USER", f"NEWNAME{len(value)}{ord(value[-1])}={value}".encode())
        name = next(iter(alone))
        assert fields_of("USER", f"{name}=plain".encode()) == {name: "plain"}
        assert fields_of("USER", f"{name}={value}".encode()) == alone


def test_the_object_of_a_call_is_told_by_what_is_kept() -> None:
    """`written` keeps it with the caller, or with the records behind: for no call do other fields have a say."""
    names = {name for calls in SYSCALLS.values() for name in calls.values()}
    places = {meaning("", name, outcome).place for name in names for outcome in ("success", "failure", None)}
    assert {place for place in places if place[:1] != "@"} == {"", "saddr", "key", "exe", "comm"}


def test_arguments_that_are_not_all_there_are_marked() -> None:
    """A missing argument keeps its place, a missing piece is shown; the number of arguments is the kernel's."""
    parts = interpret(event(EXECVE, 'EXECVE argc=3 a0="/bin/ls" a2="/etc"'))["process"]
    assert (parts["args"], parts["args_count"], parts["args_cut"]) == (["/bin/ls", "…", "/etc"], 3, True)
    parts = interpret(event(EXECVE, 'EXECVE argc=2 a0="x" a1_len=6 a1[0]="ab"', 'EXECVE a1[2]="ef"'))["process"]
    assert (parts["args"], parts["args_cut"]) == (["x", "ab…ef"], True)
    many = " ".join(f'a{at}="x"' for at in range(5000))
    parts = interpret(event(EXECVE, f"EXECVE argc=5000 {many}"))["process"]
    assert (len(parts["args"]), parts["args_count"], parts["args_cut"]) == (4096, 5000, True)
    assert "args_cut" not in interpret(event(EXECVE, 'EXECVE argc=1 a0="x"'))["process"]


def test_words_of_a_message_are_text() -> None:
    """What a user program says in words is no part of the kernel's values before it."""
    parts = interpret(event("USER pid=3607 uid=0 auid=1000 ses=7 msg='only words'"))
    assert parts["auditd"]["session"] == "7"
    assert parts["user"]["audit"] == {"id": "1000"}
    assert fields(parts)["text"] == "only words"
    parts = interpret(event("USER user pid=3606 uid=0 auid=1000 msg='good morning: exe=\"/x\" (res=success)'"))
    assert parts["user"]["audit"] == {"id": "1000"}
    assert (parts["process"]["executable"], parts["event"]["outcome"]) == ("/x", "success")


@pytest.mark.parametrize("separator", ["\x1d", "#035", " "])
def test_a_relays_separator_separates(separator: str) -> None:
    """0x1D, its octal number, or a blank: the copies behind it are no part of the last value."""
    kernel = "USER_LOGIN pid=2000 uid=0 auid=1000 ses=5 subj=x msg='op=login id=1000 res=failed'"
    parts = interpret(event(kernel + separator + 'UID="root" AUID="alice"'))
    assert fields(parts)["res"] == "failed"
    assert (parts["event"]["outcome"], parts["user"]["name"]) == ("failure", "root")
