"""Network namespaces and packets, live: whose a packet's addresses are, and where a socket was made, against the truth.

The packets are recorded by the kernel's AUDIT target of iptables; where that is lacking this is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from annotator.engine.factory import Options
from annotator.engine.input_check import blocks_of
from annotator.engine.replay import Replay
from tests.live.ends import Truth, Verdicts, ends_of
from tests.live.lab import Lab, Refused, scenario, sh
from tests.live.networks import NET4, SOCKETS

if TYPE_CHECKING:
    from pathlib import Path

OUTSIDE = os.geteuid() == 0 and os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"  # noqa: PTH115
TOOLS = ("auditd", "auditctl", "runc", "busybox", "unshare", "nsenter", "ip", "iptables", "ip6tables")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not OUTSIDE, reason="needs root in the first pid namespace"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="needs runc, busybox, ip and iptables"),
]


class Run:
    """What one laboratory gave."""

    def __init__(self, folder: Path) -> None:
        self.dir = folder
        with Lab(folder, laurel=False, calls=SOCKETS) as lab:
            self.done = scenario(lab, "network")
        notes: list[dict[str, Any]] = self.done["notes"]  # type: ignore[assignment]
        self.documents = [json.loads(line) for line in (folder / "ours.json").read_text().splitlines()]
        truth = Truth(notes, folder / "witness.jsonl")
        self.truth = {one["serial"]: one for one in truth.lines(self.documents)}
        self.found = Verdicts(self.documents, self.truth, truth.ids)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One laboratory."""
    try:
        found = Run(tmp_path_factory.mktemp("net"))
    except Refused as why:
        pytest.skip(f"this machine's audit cannot be used: {why}")
    line = (
        f"packets: {dict(found.found.packets)}; sockets: {dict(found.found.sockets)}; wrong: {len(found.found.wrong)}"
    )
    sys.__stdout__.write(f"\n{line}\n") if sys.__stdout__ is not None else None
    return found


def test_nothing_untrue_is_said(run: Run) -> None:
    """No container that did not have the address then, nor the host's; no namespace where the process was not."""
    assert run.done["code"] == 0, run.done["out"]
    assert not run.found.wrong, run.found.wrong[:5]


def test_a_packet_s_addresses_are_those_of_their_containers(run: Run) -> None:
    """Nearly all that can be told are; both containers of one namespace are named."""
    if not any(ends_of(one) for one in run.documents):
        pytest.skip("this kernel's AUDIT target records nothing")
    count = run.found.packets
    assert count["right"] > 40
    assert count["silent"] <= 0.15 * count["right"]
    assert run.found.shared > 0


def test_a_socket_s_namespace_is_that_of_its_process(run: Run) -> None:
    """Of programs that stay where they are it is nearly always known, and its name where it has one."""
    count = run.found.sockets
    assert count["right"] > 40
    assert count["absent"] <= 0.1 * count["right"]
    assert sum(name.startswith("lab") for name in run.found.names) >= 2  # those of `a` and `b`, which live long


def test_the_journal_gives_the_same_answers(run: Run) -> None:
    """Replayed from the log and the journal: no other container and no other namespace."""
    replay = Replay(Options(format="json", journals=(run.dir / "journal",)))
    out = b"".join([*map(replay.feed, blocks_of([str(run.dir / "audit.log")])), replay.finish()])
    again = {
        (one["@timestamp"], one["event"]["sequence"]): one["provenance"] for one in map(json.loads, out.splitlines())
    }
    count: Counter[bool] = Counter()
    for one in run.documents:
        live, later = one["provenance"], again.get((one["@timestamp"], one["event"]["sequence"]), {})
        for part in {"src", "dst", "netns"} & live.keys():
            told = later.get(part)
            if part == "netns" and told is not None:  # its name may have been learnt after the event
                told = {name: told.get(name) for name in live[part]}
            assert told in (None, live[part]), (one, later)
            count[part in later] += 1
    assert count[False] <= 0.05 * count[True], "what came later makes unsure what could be said then"
    assert count[True] > 80


def test_nothing_is_left_behind(run: Run) -> None:
    """No rule of iptables, no device, no name."""
    assert run.done["code"] == 0
    assert NET4 not in sh("iptables", "-t", "raw", "-S")
    assert "lab" not in sh("ip", "netns", "list")
