"""Values are decoded as audit encodes them; and expressions find the events auparse finds, whatever the bytes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import AnnotatorError, UsageError
from annotator.core.model import Event, Stamp
from annotator.linux.records import decode
from annotator.linux.records.auparse_expr import Expression, auparse
from annotator.linux.records.fields import MAX_ARGUMENTS, fields_of

if TYPE_CHECKING:
    from pathlib import Path


def event(*lines: bytes) -> Event:
    """One event of these lines."""
    made = Event(b"1700000000.123:42", b"", Stamp(1700000000123, 42), b"")
    made.lines = [b"type=%b msg=audit(1700000000.123:42): %b" % tuple(line.split(b" ", 1)) for line in lines]
    return made


CALL = (
    b"SYSCALL arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 ppid=10 pid=11 auid=1000 uid=0"
    b' gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=7 comm="sh" exe="/bin/dash" key="k"'
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"/bin/a=b"', "/bin/a=b"),
        ("2F612062", "/a b"),
        ("2F61C3A9", "/aé"),
        ("FF", "\\xff"),
        ("(null)", "(null)"),
        ("?", "?"),
        ("ABC", "ABC"),
        ("", ""),
        ('"', ""),
    ],
)
def test_untrusted_text(written: str, meant: str) -> None:
    """Quoted text is as it stands, an even number of hex digits is hex, all else is a word."""
    assert decode.untrusted(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("02000050C0A800010000000000000000", "{ saddr_fam=inet laddr=192.168.0.1 lport=80 }"),
        ("00020050C0A800010000000000000000", "{ saddr_fam=inet laddr=192.168.0.1 lport=80 }"),
        (
            "0A000050000000000000000000000000000000000000000100000000",
            "{ saddr_fam=inet6 laddr=::1 lport=80 }",
        ),
        ("01002F72756E2F782E736F636B00", "{ saddr_fam=local path=/run/x.sock }"),
        ("010000616263", "{ saddr_fam=local path=abc }"),
        ("10000000AB00000001000000", "{ saddr_fam=netlink nlnk-fam=16 nlnk-pid=171 }"),
        ("11000300", "{ saddr_fam=packet (unsupported) }"),
        ("0200", "{ saddr_fam=inet sockaddr len too short }"),
        ("AAAA", "unknown-family(43690)"),
        ("127.0.0.1", "127.0.0.1"),
        ("1", "1"),
    ],
)
def test_addresses(written: str, meant: str) -> None:
    """A sockaddr of either byte order is shown as auparse does; an address in plain text (NETFILTER_PKT) stays."""
    assert decode.address(written) == meant


@pytest.mark.parametrize(
    ("kind", "body", "meant"),
    [
        (
            "SYSCALL",
            b"arch=40000003 syscall=11 exit=-2",
            {"arch": "i386", "syscall": "execve", "exit": "ENOENT(No such file or directory)"},
        ),
        ("SYSCALL", b"arch=c00000b7 syscall=221 exit=7", {"arch": "aarch64", "syscall": "execve", "exit": "7"}),
        ("SYSCALL", b"arch=feedface syscall=221", {"arch": "feedface", "syscall": "221"}),
        ("SYSCALL", b"key=6B31016B32", {"key": ["k1", "k2"]}),
        ("SYSCALL", b"subj=docker-default (enforce) key=(null)", {"subj": "docker-default (enforce)", "key": "(null)"}),
        ("SYSCALL", b"subj==unconfined key=(null)", {"subj": "=unconfined", "key": "(null)"}),
        ("PATH", b"mode=041777", {"mode": "dir,sticky,777"}),
        ("PATH", b"mode=09", {"mode": "09"}),
        ("TTY", b"data=6C730D", {"data": "ls\r"}),
        (
            "AVC",
            b'avc:  denied  { read write } for  pid=1 comm="a" tclass=file',
            {"seresult": "denied", "seperms": "read,write", "pid": "1", "comm": "a", "tclass": "file"},
        ),
        (
            "USER",
            b"user pid=5 uid=0 msg='text=hello you res=success'",
            {"text": ["user", "hello you"], "pid": "5", "uid": "0", "res": "success"},
        ),
        (
            "USER_LOGIN",
            b"pid=5 msg='acct=\"root\": exe=\"/bin/login\" (hostname=?, addr=?, terminal=tty1 res=success)'",
            {
                "pid": "5", "acct": "root", "exe": "/bin/login", "hostname": "?", "addr": "?", "terminal": "tty1",
                "res": "success",
            },
        ),
        ("LOGIN", b"res=1\x1dUID=\"a b\" OLD-AUID=\"unset\"", {"res": "yes", "UID": "a b", "OLD-AUID": "unset"}),
        (
            "SOCKADDR",
            b"saddr=0200\x1dSADDR={ saddr_fam=inet laddr=1.2.3.4 lport=1 }",
            {"saddr": "{ saddr_fam=inet sockaddr len too short }"},
        ),
    ],
)  # fmt: skip
def test_bodies(kind: str, body: bytes, meant: dict[str, object]) -> None:
    """Each form of a body gives its fields; a second reading, when its form is known, gives the same."""
    assert fields_of(kind, body) == meant
    assert fields_of(kind, body) == meant


def test_a_known_form_is_no_trap() -> None:
    """A value made to look like the next field changes nothing, although the form of the record is known."""
    body = b'pid=1 comm="sh" exe="/bin/sh" subj=u key="k"'
    assert fields_of("SYSCALL", body) == {"pid": "1", "comm": "sh", "exe": "/bin/sh", "subj": "u", "key": "k"}
    for comm in (b"x=exe", b"=", b"exe=/evil", b"a=b=c"):
        found = fields_of("SYSCALL", body.replace(b"sh", comm, 1).replace(b"subj=u", b"subj=docker-default (enforce)"))
        assert found["comm"] == comm.decode()
        assert found["exe"] == "/bin/sh"
        assert found["subj"] == "docker-default (enforce)"


def test_arguments_have_a_bound() -> None:
    """The number of an argument takes no memory, and no more than so many are kept."""
    body = b"argc=99999 a99999=41 " + b" ".join(b"a%d=41" % at for at in range(MAX_ARGUMENTS + 9))
    found = fields_of("EXECVE", body)
    assert len(found) == MAX_ARGUMENTS + 1
    assert found["a99999"] == "A"


@given(st.sampled_from(["SYSCALL", "EXECVE", "PATH", "AVC", "USER", "SOCKADDR"]), st.binary(max_size=200))
def test_any_body_has_fields(kind: str, body: bytes) -> None:
    """No bytes make the reading fail, and all values are text that UTF-8 can hold."""
    found = fields_of(kind, body)
    assert json.dumps(found, ensure_ascii=False).encode()


# --- expressions ------------------------------------------------------------------------------------------------------


@pytest.fixture
def library() -> object:
    """The binding, where this Python has it."""
    try:
        return auparse()
    except AnnotatorError:
        return pytest.skip("no auparse")


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("syscall i= execve", True),
        ("comm i= sh", True),
        ("comm i= bash", False),
        ("(comm i= sh) && (success r= no)", False),
        ("! (success r= no)", True),
        ('cwd i= "/tmp"', True),
    ],
)
def test_expressions_find_events(library: object, text: str, hit: bool) -> None:
    """An event matches when one of its records does."""
    assert Expression(text).matches(event(CALL, b'CWD cwd="/tmp"', b'PROCTITLE proctitle="sh"')) is hit


def test_an_event_the_library_splits_is_searched_whole(library: object) -> None:
    """The library ends an event at LOGIN; what comes after it belongs to ours and is searched too."""
    split = event(b"LOGIN pid=11 uid=0 old-auid=4294967295 auid=1000 ses=7 res=1", CALL, b'PROCTITLE proctitle="sh"')
    assert Expression("comm i= sh").matches(split)
    assert Expression('old-auid r= 4294967295 || "old-auid" r= 4294967295').matches(split)


@pytest.mark.parametrize("text", ["", "comm", "comm i=", "((", "\0", "comm i= \udc80", "comm i= sh )"])
def test_what_is_no_expression_is_refused(library: object, text: str) -> None:
    """A mistake in an expression is told before any event is read."""
    with pytest.raises(UsageError, match="no expression"):
        Expression(text)


def test_hostile_events_do_not_match_and_do_not_fail(library: object) -> None:
    """Bytes that are no text, NULs and rubbish are searched as well as can be, and never stop the stream."""
    expression = Expression("comm i= sh")
    made = event(CALL)
    for lines in ([b""], [b"\xff\x00"], [b"rubbish"], [b"type=SYSCALL msg=audit(1.000:1): comm=\xff\x00"]):
        made.lines = lines
        assert not expression.matches(made)
    made.lines = [event(CALL).lines[0] + b" x=\xff\x00"]
    assert expression.matches(made)


def test_a_python_without_the_binding_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only expressions need auparse: without it the error says what to install, and the path is as it was."""
    monkeypatch.setitem(sys.modules, "auparse", None)
    before = list(sys.path)
    with pytest.raises(AnnotatorError, match="python3-audit"):
        auparse(str(tmp_path))
    assert sys.path == before
