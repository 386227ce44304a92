"""The truth of packets and sockets: by what the `network` scenario did itself, and what the witness saw; and verdicts.

For each packet and each end of it whose the address was; for each process from when to when it was in which namespace.
Around a change of either nothing is sure: then the one before, the one after, and nobody are right.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from annotator.core.registry import derive_contid
from tests.live.networks import GATE, NET4, NET6, PODS

if TYPE_CHECKING:
    from pathlib import Path

SLACK_MS = 20
Documents = list[dict[str, Any]]


class Truth:
    """What a scenario noted, and a witness."""

    def __init__(self, notes: list[dict[str, Any]], witness: Path) -> None:
        self.ids = {str(derive_contid(one["name"])): one["name"] for one in notes if one["ev"] == "container"}
        self.ids |= {str(derive_contid(one["id"])): one["name"] for one in notes if one["ev"] == "alias"}
        self.owners = [(one["t"] / 1e6, one["owners"], one["sure"]) for one in notes if one["ev"] == "owners"]
        self.places = _places(notes, witness)

    def owned(self, address: str, ms: int) -> tuple[list[list[str]], bool]:
        """Whose the address was about then, and whether that is sure."""
        address = address.replace(NET6, NET4)
        found: list[list[str]] = [[]] if ms - SLACK_MS < self.owners[0][0] else []
        sure = not found
        for at, (since, owners, certain) in enumerate(self.owners):
            until = self.owners[at + 1][0] if at + 1 < len(self.owners) else float("inf")
            if since <= ms + SLACK_MS and ms - SLACK_MS <= until:
                found.append(sorted(owners.get(address, ())))
                sure = sure and certain
        return found, sure

    def place(self, pid: int, ms: int) -> list[int]:
        """The namespaces in which the process was about then; [] when that is not known."""
        near = {ino for since, until, ino in self.places.get(pid, ()) if since - SLACK_MS <= ms <= until + SLACK_MS}
        return [] if None in near else sorted(one for one in near if one is not None)

    def lines(self, documents: Documents) -> list[dict[str, Any]]:
        """The truth of each of these events, to be kept."""
        found: list[dict[str, Any]] = []
        for one in documents:
            ms, serial = stamp(one), one["event"]["sequence"]
            ends = ends_of(one)
            if ends is not None:
                said = {end: self.owned(address, ms) for end, address in ends.items() if is_ours(address)}
                found.append({"serial": serial, "ends": said})
            elif one.get("process"):
                found.append({"serial": serial, "netns": self.place(one["process"]["pid"], ms)})
        return found


def _places(notes: list[dict[str, Any]], witness: Path) -> dict[int, list[tuple[float, float, int | None]]]:
    seen: dict[int, list[tuple[float, int | None]]] = defaultdict(list)
    for line in witness.read_text().splitlines():
        one = json.loads(line)
        if "net" in one:
            seen[one["pid"]].append((one["read"] / 1e6, one["net"]))
        elif one["ev"] in ("fork", "exec"):
            seen[one["pid"]].append((one["t"] / 1e6, None))  # gone before it could be looked at
    found: dict[int, list[tuple[float, float, int | None]]] = defaultdict(list)
    for pid, looks in seen.items():
        looks.sort(key=lambda one: one[0])
        for at, (ms, ino) in enumerate(looks):
            found[pid].append((ms, looks[at + 1][0] if at + 1 < len(looks) else float("inf"), ino))
    for pid in {note["pid"] for note in notes if note["ev"] == "socket"}:
        own = [note for note in notes if note["ev"] == "socket" and note["pid"] == pid]
        found[pid] = [(note["t"] / 1e6, note["until"] / 1e6, note["ino"]) for note in own]
    return found


def stamp(one: dict[str, Any]) -> int:
    """Unix ms."""
    return round(datetime.fromisoformat(one["@timestamp"]).timestamp() * 1000)


def ends_of(one: dict[str, Any]) -> dict[str, str] | None:
    """The addresses of a packet, by `src` and `dst`; None for another event."""
    record = one["auditd"]["records"][0]
    if record["type"] != "NETFILTER_PKT":
        return None
    return {"src": record["fields"]["saddr"], "dst": record["fields"]["daddr"]}


def is_ours(address: str) -> bool:
    """Whether containers of the scenario may have it."""
    return address.startswith((NET4, NET6, PODS)) and address not in (GATE, PODS + "1")


class Verdicts:
    """Documents held against the lines of a `Truth`, by event. `wrong` has what is."""

    def __init__(self, documents: Documents, truth: dict[int, dict[str, Any]], ids: dict[str, str]) -> None:
        self.packets: Counter[str] = Counter()
        self.sockets: Counter[str] = Counter()
        self.names: set[str] = set()
        self.shared = 0
        self.wrong: list[Any] = []
        for one in documents:
            true = truth.get(one["event"]["sequence"])
            ends = ends_of(one)
            if true is not None and ends is not None:
                self._packet(one["provenance"], ends, true["ends"], ids)
            elif true is not None:
                self._socket(one, true["netns"])

    def _packet(self, given: dict[str, Any], ends: dict[str, str], true: dict[str, Any], ids: dict[str, str]) -> None:
        if given["status"] != "unknown":
            self.wrong.append(given)  # an address proves nothing
        for end, address in ends.items():
            said = sorted(ids.get(chain[0], chain[0]) for chain in given.get(end, ()))
            if end not in true:
                self.wrong += [(address, said)] if said else []
                continue
            owned, sure = true[end]
            fits = said in owned if sure else any(set(said) <= set(one) for one in owned)
            if said and not fits:
                self.wrong.append((address, said, owned))
            self.shared += sure and len(said) > 1
            verdict = "unsure" if not sure else "right" if said else "silent" if any(owned) else "nobody's"
            self.packets[verdict] += 1

    def _socket(self, one: dict[str, Any], true: list[int]) -> None:
        netns = one["provenance"].get("netns")
        if netns is None:
            network = one["event"].get("action", "") in ("connect", "socket")
            self.sockets["absent"] += network and one["process"].get("name") in ("nc", "busybox", "sh")
        elif not true:
            self.sockets["untold"] += 1
        else:
            self.sockets["right" if netns["ino"] in true else "wrong"] += 1
            self.names.add(netns.get("name", ""))
            if netns["ino"] not in true:
                self.wrong.append((one["auditd"]["records"][0], netns, true))
