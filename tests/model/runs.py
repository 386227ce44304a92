"""Plans for many histories, and what the program says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from tests.model.history import Plan, write
from tests.model.judge import Verdicts, judge_all
from tests.model.perturb import PERTURBATIONS, interleave
from tests.model.render import Written, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BATCH = 60_000
"""So many events at most go through one run of the program."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: a plan that all histories share but for their seeds, and what happens to each log."""

    plan: Plan
    perturbations: tuple[str, ...] = ()
    varied: bool = False
    """Each history has its own size, pace, form and, from time to time, another boot."""


def vary(plan: Plan) -> Plan:
    """A plan of its own for this seed."""
    rng = Random(plan.seed * 7919 + 1)
    return replace(
        plan,
        events=max(60, int(plan.events * rng.choice((0.3, 0.6, 1, 1, 2)))),
        enriched=rng.random() < 0.3,
        eoe=rng.random() < 0.4,
        late=rng.choice((0.0, 0.03, 0.15)),
        pace=rng.choice((1.0, 3.0, 10.0)),
        boots=rng.choice((0, 0, 0, 0, 1)),
    )


def history(request: Request, seed: int, node: str) -> Written:
    """One log, perturbed, with its truth."""
    plan = replace(request.plan, seed=seed)
    events = write(vary(plan) if request.varied else plan)
    rng = Random(seed * 104_729 + 3)
    names = [name for name in request.perturbations if name != "mixed"]
    if request.varied and len(names) > 1:
        names = rng.sample(names, rng.randrange(0, min(3, len(names)) + 1))
    for name in names:
        if events:
            events = PERTURBATIONS[name](events, rng)
    written = render(events, node)
    if "mixed" in request.perturbations:
        interleave(written, rng)
    return written


def judged(request: Request, seeds: Sequence[int]) -> Iterator[tuple[int, Written, Verdicts]]:
    """Each history's verdicts; several go through one run of the program, told apart by node."""
    batch: list[tuple[int, Written]] = []
    size = 0
    for n, seed in enumerate(seeds):
        written = history(request, seed, f"n{seed}")
        batch.append((seed, written))
        size += len(written.events)
        if size < BATCH and n + 1 < len(seeds) and len(batch) < 50:
            continue
        found = judge_all([one for _, one in batch])
        for (one, log), verdicts in zip(batch, found, strict=True):
            yield one, log, verdicts
        batch.clear()
        size = 0
