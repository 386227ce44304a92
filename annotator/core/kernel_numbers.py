"""What the kernel's own numbers (contid patches) say of an answer. Questions only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.model import NO_PID, OWN_SESSION, Attribution, Reason, Status

if TYPE_CHECKING:
    from annotator.core.model import Chain, ContId, Stated, Target, Translation


def as_the_kernel_says(answer: Attribution, reading: Translation) -> Attribution:
    """From V10 on a SYSCALL record without a number says that its process has no contid.

    Who entered from outside has none, whatever is around him. Who was born inside would have: it is another process.
    """
    own, actor = stated_of_actor(reading), reading.actor
    if (
        own is not None
        or reading.torn
        or actor is None
        or actor.ppid == NO_PID
        or answer.status is not Status.CONTAINER
    ):
        return answer
    if all(container.contid is None for chain in answer.chains for container in chain):
        return answer
    if answer.session is None or answer.session is OWN_SESSION:
        return Attribution(Status.UNKNOWN, reason=Reason.AMBIGUOUS, targets=answer.targets, key=answer.key)
    return answer._replace(unset=True)


def is_crossed(target: Target, answer: Attribution) -> bool:
    """Whether it is elsewhere: where both have the same numbers of the kernel, in another engine's container."""
    if not target.chains or not answer.chains:
        return target.chains[:1] != answer.chains[:1]
    there, here = target.chains[0], answer.chains[0]
    if [one for one in there if one.contid is None] and _numbers(there) == _numbers(here):
        return there[0] not in here and here[0] not in there
    return there != here


def _numbers(chain: Chain) -> list[ContId | None]:
    return [one.contid for one in chain if one.contid is not None]


def stated_of_actor(reading: Translation) -> Stated | None:
    """What the trail states of the event's own process, or packet."""
    return next((statement for statement in reading.stated if statement.pid == NO_PID), None)
