"""Lines that relays and full disks have changed: an escaped separator, another record in the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator.core.model import Event, Stamp
from annotator.linux.records.interpret import interpret
from annotator.linux.records.syntax import body_end, separated, split
from annotator.linux.records.translator import Translator

SAMPLES = Path(__file__).parents[2] / "samples" / "linux"
HEAD = b"type=USER_LOGIN msg=audit(1700000000.100:7): "


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        (b'pid=1 comm="x"', b'#035ARCH=x86_64 UID="root"'),
        (b"pid=1 msg='op=login res=failed'", b'#035UID="root"'),
        (b"pid=1 msg='op=#035UID=0 res=failed'", b'#035UID="root"'),
        (b'pid=1 comm="x#035UID=0" exe="/bin/x"', b""),
        (b"pid=1 msg='op=login#035UID=0 res=failed'", b""),
        (b'pid=1 comm="x#035"', b""),
    ],
)
def test_an_escaped_separator_ends_the_body(body: bytes, rest: bytes) -> None:
    """Not in quotes, which hold somebody's text."""
    line = HEAD + body + rest
    assert body_end(line, 0) == len(HEAD + body)
    assert separated(line) == HEAD + body + rest.replace(b"#035", b"\x1d", 1)


def test_another_record_in_the_line_is_not_of_the_event() -> None:
    """Neither its process nor its program; in a user's text it is text."""
    lines = (SAMPLES / "form-two-records-in-one-line" / "input.log").read_bytes().splitlines()
    glued = next(line for line in lines if line.count(b"type=SYSCALL ") == 2)
    event = Event(b"1790000000.500:300", b"", Stamp(1_790_000_000_500, 300), glued)
    assert Translator().read(event).actor is None
    parts = interpret(event)
    assert "1999" not in str(parts)
    assert "dash" not in str(parts)
    text = HEAD + b"pid=1 msg='op=x type=SYSCALL msg=audit(1700000000.100:8): pid=2 res=success'"
    assert split(text)[1] == text[len(HEAD) :]
