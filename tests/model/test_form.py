"""Records of the model have the form of recorded ones: the same fields in the same order, plain and enriched."""

from __future__ import annotations

import lzma
import re
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.model.history import Plan, write
from tests.model.perturb import PERTURBATIONS
from tests.model.render import render

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLES = Path(__file__).parents[2] / "samples" / "linux"
HEAD = re.compile(r"type=(\S+) msg=audit\(\d+\.\d{3}:\d+\):(.*)", re.DOTALL)
NAME = re.compile(r"(?:^|(?<= ))([A-Za-z0-9_-]+)=")
NOT_RECORDED = {"ANOM_ABEND", "EOE", "KERNEL"}
"""Types that no stock sample has; their form is kernel/auditsc.c's (audit_log_task), and user space's."""

Form = tuple[str, tuple[str, ...], tuple[str, ...]]


def form(line: str) -> Form:
    """Type, names of the fields, and names of the enriched fields. Records of user space are of one form."""
    found = HEAD.match(line)
    assert found, line
    body, _, more = found[2].partition("\x1d")
    body = re.sub(r"msg='.*", "msg=", body)
    names = tuple(re.sub(r"^a\d+$", "aN", name) if found[1] == "EXECVE" else name for name in NAME.findall(body))
    if found[1] == "EXECVE":
        names = names[:2]
    kind = "USER" if names[-1:] == ("msg",) else found[1]
    return kind, names, tuple(NAME.findall(more))


@cache
def recorded() -> set[Form]:
    """The forms of all stock samples."""
    found: set[Form] = set()
    for path in sorted(SAMPLES.glob("stock-*/input.log.xz")):
        with lzma.open(path, "rt", errors="replace") as lines:
            found.update(form(line.rstrip("\n")) for line in lines)
    return found


def made(lines: Iterable[str]) -> set[Form]:
    """The forms of the model's records."""
    return {form(line) for line in lines}


@pytest.mark.parametrize("enriched", [False, True])
def test_fields_and_their_order_are_those_of_recorded_records(enriched: bool) -> None:
    """Each form that the model writes was recorded somewhere."""
    forms = recorded()
    for seed in range(4):
        written = render(write(Plan(seed, events=2500, pid_max=32768, enriched=enriched)))
        for kind, names, more in made(line for _, line in written.lines):
            if kind in NOT_RECORDED:
                continue
            assert (kind, names, more) in forms, (kind, names, more)


def test_what_perturbations_add_has_the_form_of_recorded_records() -> None:
    """Records of auditd and auditctl."""
    for name in ("daemon", "disabled", "reloaded"):
        events = PERTURBATIONS[name](write(Plan(5, events=300)), Random(2))
        added = [one for one in events if one.call in ("CONFIG_CHANGE", "DAEMON_START", "DAEMON_END")]
        assert added
        assert made(line for _, line in render(added).lines) <= recorded(), name


def test_order_of_records_in_an_event() -> None:
    """LOGIN and CONFIG_CHANGE stand before SYSCALL; EXECVE, CWD, PATH and PROCTITLE behind it, EOE at the end."""
    order = ["LOGIN", "CONFIG_CHANGE", "SYSCALL", "EXECVE", "OBJ_PID", "CWD", "PATH", "PROCTITLE", "EOE"]
    for event in write(Plan(3, events=1500, eoe=True)):
        places = [order.index(kind) for kind, _ in event.records if kind in order]
        assert places == sorted(places)
