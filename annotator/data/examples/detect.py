"""Alert on what containers should not do: `python detect.py audit.log`.

Each rule is a function of one event; an alert names the container, and the evidence for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import annotator
from annotator import AnnotatedEvent, Flag, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHELLS = ("/bin/sh", "/bin/bash", "/usr/bin/bash", "/usr/bin/dash", "/bin/busybox")


def interactive_shell(event: AnnotatedEvent) -> bool:
    """A shell that somebody began who entered from outside, and not what the container's init started."""
    session = event.attribution.session
    if session is None or session.id == "0":
        return False
    document = event.to_dict()
    return document["event"].get("action") == "executed" and document["process"].get("executable") in SHELLS


def left_its_container(event: AnnotatedEvent) -> bool:
    """A process of a container whose namespaces are no longer the container's."""
    return Flag.ESCAPED in event.attribution.flags


def signal_to_another(event: AnnotatedEvent) -> bool:
    """A process of a container signals or traces one that is known to be elsewhere."""
    actor = event.attribution.chain
    return bool(actor) and any(
        target.status is Status.HOST or (target.chains and target.chains[0][-1] is not actor[-1])
        for target in event.attribution.targets
    )


RULES: tuple[Callable[[AnnotatedEvent], bool], ...] = (interactive_shell, left_its_container, signal_to_another)


def alerts(source: str) -> Iterator[str]:
    """One line for each event and rule that fits."""
    for event in annotator.replay(source):
        container = event.attribution.container
        if container is None:
            continue
        for rule in RULES:
            if rule(event):
                evidence = "+".join(event.attribution.evidence)
                yield f"{event.time} {event.serial} {rule.__name__}: {container.name or container.id} ({evidence})"


if __name__ == "__main__":
    for alert in alerts(sys.argv[1]):
        print(alert)
