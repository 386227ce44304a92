"""Registrations on a stock kernel: who may, what is refused with which errno, and what is known afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import NO_PID, UNSET_ID, Actor, ContId, Evidence, Registered, Stamp, Status
from annotator.core.registry import derive_contid
from annotator.core.residence import Residence
from annotator.engine.registration_service import RegistrationService, as_uuid
from annotator.history import Observations
from annotator.io.control import Peer
from annotator.linux.engines.programs import KINDS
from tests.world import START, World, where

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime

UUID = "00112233-4455-6677-8899-aabbccddeeff"
ASKER, OTHER, INSIDE, TARGET, UNKNOWN = 20, 21, 11, 60, 40


class Desk:
    """A registrar over a made-up machine: `there` are its processes, `capable` those with the rights."""

    def __init__(self) -> None:
        self.world = World()
        self.world.container(10, "a")
        for pid in (ASKER, OTHER, TARGET, 61):
            self.world.fork(1, 0, pid)
            self.world.event(pid, 1)
        self.there = {1, ASKER, OTHER, 10, INSIDE, TARGET, 61, UNKNOWN}
        self.capable = {ASKER: 1, INSIDE: 1, UNKNOWN: 1}
        self.told: list[tuple[Registered, str]] = []
        recorder = self.world.tables.recorder
        self.registrar = RegistrationService(
            recorder, self.life_of, lambda peer: self.capable.get(peer.pid), lambda *said: self.told.append(said)
        )

    def life_of(self, pid: int) -> ProcessLifetime | None:
        """As the plugin looks."""
        if pid not in self.there:
            return None
        life = self.world.tables.processes.node(b"").now.get(pid)
        stamp = Stamp(self.world.ms, 0)
        ppid = life.ppid if life is not None else NO_PID
        return self.world.tables.processes.see(b"", Actor(pid, ppid, 1000, 0, UNSET_ID), stamp)

    def ask(self, peer: int = ASKER, **request: Any) -> str:
        """The errno's name, or the contid."""
        self.world.ms += 100
        reply = self.registrar.answer(Peer(peer, 0, 0), request, Stamp(self.world.ms, 0))
        json.dumps(reply)
        return str(reply["contid"] if reply["ok"] else reply["error"])


def test_a_granted_registration_names_what_comes_after_and_what_is_born_of_it() -> None:
    """By its id the number follows; the target was host until then, and its children inherit."""
    desk = Desk()
    assert where(desk.world.event(TARGET, 1)) == "host"
    assert desk.ask(pid=TARGET, id="web", name="w", image="i:1", engine="test") == str(derive_contid("web"))
    answer = desk.world.event(TARGET, 1)
    assert where(answer) == "web"
    assert answer.evidence == (Evidence.REGISTERED,)
    assert answer.session is not None
    assert answer.session.id == "0"
    container = answer.chains[0][0]
    assert (container.name, container.image, container.engine) == ("w", "i:1", "test")
    assert where(desk.world.event(70, TARGET)) == "web"
    assert where(desk.world.event(TARGET, 1, ms=START + 900)) == "host"
    (fact, error), *_ = desk.told
    assert (fact.pid, fact.by, fact.ok, error) == (TARGET, ASKER, True, "")


@pytest.mark.parametrize(
    ("peer", "request_", "error"),
    [
        (OTHER, {"id": "web"}, "EPERM"),  # not capable
        (INSIDE, {"id": "web"}, "EPERM"),  # capable, but in a container
        (UNKNOWN, {"id": "web"}, "EPERM"),  # capable, and nobody knows where
        (99, {"id": "web"}, "EPERM"),  # gone
        (ASKER, {"id": "web", "pid": 99}, "ESRCH"),
        (ASKER, {"id": "web", "pid": ASKER}, "EXDEV"),
        (ASKER, {"id": "web", "pid": INSIDE}, "EEXIST"),
        (ASKER, {"id": "web", "pid": 0}, "EINVAL"),
        (ASKER, {"id": "web", "pid": "60"}, "EINVAL"),
        (ASKER, {"id": "web", "pid": True}, "EINVAL"),
        (ASKER, {"id": "web", "pid": 2**40}, "EINVAL"),
        (ASKER, {}, "EINVAL"),
        (ASKER, {"id": "x" * 600}, "EINVAL"),
        (ASKER, {"id": "a\nb"}, "EINVAL"),
        (ASKER, {"id": 7}, "EINVAL"),
        (ASKER, {"contid": "-1"}, "EINVAL"),
        (ASKER, {"contid": "7x"}, "EINVAL"),
        (ASKER, {"contid": "٣"}, "EINVAL"),
        (ASKER, {"contid": True}, "EINVAL"),
        (ASKER, {"contid": 7.0}, "EINVAL"),
        (ASKER, {"contid": 2**64 - 1}, "EINVAL"),
        (ASKER, {"contid": str(2**64)}, "ERANGE"),
        (ASKER, {"contid": "9" * 64}, "ERANGE"),
        (ASKER, {"contid": "9" * 65}, "EINVAL"),
        (ASKER, {"uuid": "0011"}, "EINVAL"),
        (ASKER, {"uuid": 7, "id": "web"}, "EINVAL"),
    ],
)
def test_what_is_refused_changes_nothing(peer: int, request_: dict[str, Any], error: str) -> None:
    """With the errno that the kernel would give; it is counted and told, and the target stays what it was."""
    desk = Desk()
    assert desk.ask(peer, **{"pid": TARGET, **request_}) == error
    assert desk.registrar.refusals == {error: 1}
    assert [(fact.ok, why) for fact, why in desk.told] == [(False, error)]
    assert where(desk.world.event(TARGET, 1)) == "host"
    assert where(desk.world.event(INSIDE, 10)) == "a"


def test_set_once() -> None:
    """The same again is granted; another container for the process, or another number for the container, is not."""
    desk = Desk()
    assert desk.ask(pid=TARGET, id="web", contid="7") == "7"
    assert desk.ask(pid=TARGET, id="web", contid=7) == "7"
    assert desk.ask(pid=TARGET, id="other") == "EEXIST"
    assert desk.ask(pid=61, id="web", contid=8) == "EEXIST"
    assert desk.ask(pid=61, id="other", contid=7) == "ENOTUNIQ"
    assert desk.ask(pid=61, contid=7) == "ENOTUNIQ"
    assert desk.ask(pid=61, id="web", contid=7) == "7"  # one more process of the same container
    assert where(desk.world.event(61, 1)) == "web"


def test_a_number_by_hand_is_the_one_it_is_known_by() -> None:
    """Without an id the container is called by its number; 0 is one."""
    desk = Desk()
    assert desk.ask(pid=TARGET, contid=0) == "0"
    found = desk.world.event(TARGET, 1).chains[0][0]
    assert (found.id, found.contid) == ("contid-0", 0)
    assert desk.world.tables.registry.numbered(b"", ContId(0)) is found


@pytest.mark.parametrize("request_", [{"uuid": UUID.upper()}, {"uuid": UUID.replace("-", "")}, {"id": UUID}])
def test_a_uuid_is_an_id_and_is_kept(request_: dict[str, Any]) -> None:
    """The form of the RFC's u8[16]: with or without hyphens, in either case, or given as the id."""
    desk = Desk()
    assert desk.ask(pid=TARGET, **request_) == str(derive_contid(UUID))
    found = desk.world.event(TARGET, 1).chains[0][0]
    assert (found.id, found.uuid) == (UUID, UUID)


def test_who_asks_must_be_the_same_before_and_after_the_look() -> None:
    """Its pid was given away while it was looked at: what was seen is another's."""
    desk = Desk()
    times = iter((1, 2))
    desk.registrar.started = lambda _: next(times)
    assert desk.ask(pid=TARGET, id="web") == "EPERM"


def test_what_was_seen_of_it_counts() -> None:
    """A target whose cgroup names a container is registered into that one only, and its evidence is better then."""
    desk = Desk()
    tables = desk.world.tables
    tables.observations = Observations(tables.registry, programs=KINDS)
    container = tables.registry.engine(b"", "c1", "docker")
    life = desk.life_of(61)
    assert life is not None
    life.membership.residences.clear()
    tables.membership.accept(life, Residence(life.born, container, Evidence.CGROUP))
    assert desk.ask(pid=61, id="c2") == "EEXIST"
    assert desk.ask(pid=61, id="c1") == str(derive_contid("c1"))
    assert desk.world.event(61, 1).evidence == (Evidence.REGISTERED,)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers()), st.just(UUID)
)


@given(st.dictionaries(st.sampled_from(["pid", "id", "contid", "uuid", "name", "engine", "image", "pod"]), VALUES))
def test_any_request_is_granted_or_refused(request_: dict[str, Any]) -> None:
    """Nothing a client sends is more than an answer, and what is granted can be printed."""
    desk = Desk()
    reply = desk.ask(**request_)
    assert reply.isdecimal() or reply in {"EINVAL", "ERANGE", "ESRCH", "EXDEV", "EEXIST"}
    if reply.isdecimal():
        found = desk.world.event(int(request_["pid"]), 1).container
        assert found is not None
        assert all(text.isprintable() for text in (found.id, found.name, found.engine, found.image))


@given(st.text(alphabet="0123456789abcdefABCDEF-{} ", max_size=40))
def test_a_uuid_is_one_or_nothing(text: str) -> None:
    """Thirty-two digits, or the hyphens where they belong."""
    found = as_uuid(text)
    assert not found or (len(found) == 36 and as_uuid(found) == found)


def test_the_host_is_host() -> None:
    """The made-up asker is one: else the refusals above would prove nothing."""
    desk = Desk()
    life = desk.life_of(ASKER)
    assert life is not None
    assert desk.world.tables.attributor.of(life, Stamp(desk.world.ms, 0)).status is Status.HOST
