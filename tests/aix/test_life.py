"""WPARs that start, stop and exchange CIDs at random while their trail is read: never another life's CID."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.aix import facts, inventory_scan
from annotator.aix.auditpr import AuditprParser
from annotator.aix.record import Record
from annotator.aix.wpar import Inventory
from annotator.aix.wpar_commands import LIFETIME_VERBS
from annotator.core.model import Container

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["start", "stop", "restart", "restart", "act", "look", "wait"]),
        st.integers(0, 1),
        st.integers(1, 3),
    ),
    min_size=5,
    max_size=40,
)


def step(machine: Any, action: str, name: str, cid: int) -> None:
    """One action, where it makes sense in the machine's state."""
    wpar = machine.wpars[name]
    if action == "restart":
        for part in ("stop", "start", "act"):
            step(machine, part, name, cid)
        return
    taken = {other.cid for other in machine.wpars.values()}
    if action == "start" and not wpar.cid and cid not in taken:
        machine.start(name, cid)
    elif action == "stop" and wpar.cid:
        machine.stop(name)
    elif action == "act" and wpar.cid:
        machine.record(wpar.init, "FS_Chdir", "/")
    elif action == "wait":
        machine.tick(40)


def observe(machine: Any, inventory: Inventory) -> None:
    """Look at the machine as the host view does, with the starts of the WPARs' inits."""
    starts = {
        wpar.cid: machine.processes[wpar.init].start_ns // 1_000_000 for wpar in machine.wpars.values() if wpar.cid
    }
    cids = {pid: process.cid for pid, process in machine.processes.items()}
    found = inventory_scan.look(machine.run, None, machine.perfstat_wpar_total(), cids, starts)
    inventory.observe(found.sightings, machine.seconds * 1000 + machine.nanos // 1_000_000, found.complete)


@settings(max_examples=100, deadline=None)
@given(ACTIONS)
def test_never_the_cid_of_another_life(sim: Any, actions: list[tuple[str, int, int]]) -> None:
    """Read live, and again when everything is over: a contid is the one the record's life had, or none is given."""
    machine = sim.Machine()
    names = ["alpha", "beta"]
    for name in names:
        machine.make(name)
    inventory = Inventory(b"host1")
    parser = AuditprParser(ZoneInfo("UTC"), "eldRpcW")
    done: list[tuple[Record, int]] = []
    for action, which, cid in [("start", 0, 1), ("start", 1, 2), ("look", 0, 1), *actions]:
        if action == "look":
            observe(machine, inventory)
        before = len(machine.records)
        step(machine, action, names[which], cid)
        for record, true in zip(_read(machine, parser, before), machine.records[before:], strict=True):
            for command in facts.translate(record).commands:
                if command.verb in LIFETIME_VERBS:
                    inventory.hint(command.name, record.time_ms)
            done.append((record, true.cid))
            _check(inventory, record, true.cid)
    observe(machine, inventory)
    for record, cid in done:
        _check(inventory, record, cid)


def _read(machine: Any, parser: AuditprParser, before: int) -> list[Record]:
    """The records that the last action wrote, through the text trail with its titles."""
    everything, machine.records = machine.records, machine.records[before:]
    lines = machine.auditpr("eldRpcW").split(b"\n")[:-1]
    machine.records = everything
    return [piece for piece in parser.feed(lines) + parser.flush() if isinstance(piece, Record)]


def _check(inventory: Inventory, record: Record, cid: int) -> None:
    assert record.wpar is not None
    found = inventory.container_for(record.wpar, record.time_ms)
    if cid == 0:
        assert found == "global"
    else:
        assert isinstance(found, Container)
        assert found.contid in (None, cid)
