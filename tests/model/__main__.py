"""`python -m tests.model`: write histories, ask the program, print what it said. README.md tells how to read it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.model.context import context
from tests.model.history import ENGINE_JOBS, Plan
from tests.model.judge import BAD, Verdicts
from tests.model.perturb import PERTURBATIONS
from tests.model.rules import LEVELS
from tests.model.runs import Request, judged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.model.render import Written


def options(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=1, help="of the first history; the others count up")
    add("--histories", type=int, default=50)
    add("--events", type=int, default=800, help="of a history, before anything is lost")
    add("--pid-max", type=int, default=450, help="400 at least; the smaller, the sooner numbers come again")
    add("--rules", default="all", choices=[*LEVELS, "each"])
    add("--perturb", nargs="*", default=[], choices=[*PERTURBATIONS, "mixed", "any"], metavar="NAME")
    add("--engines", nargs="*", default=[], choices=list(ENGINE_JOBS), metavar="NAME")
    add("--plain", action="store_true", help="all histories alike: no other form, pace or boot")
    add("--keep", type=Path, help="a folder for the log, the truth and the faults of histories that fail")
    add("--shrink", type=int, default=0, metavar="N", help="print what the log says before each of the first N faults")
    return parser.parse_args(words)


def keep(folder: Path, seed: int, log: Written, verdicts: Verdicts) -> None:
    """Leave a history that failed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{seed}.log").write_text(log.text())
    with (folder / f"{seed}.truth.jsonl").open("w") as out:
        for (node, ms, serial), event in log.truths().items():
            if event.truth:
                one = {"node": node, "ms": ms, "serial": serial, "pid": event.pid, **event.truth._asdict()}
                out.write(json.dumps(one) + "\n")
    (folder / f"{seed}.faults.txt").write_text("\n\n".join(context(log, one) for one in verdicts.faults[:40]))


def say(text: str) -> None:
    """A line for the person."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def kinds(verdicts: Verdicts) -> list[str]:
    """What must not be, by what went on and by the evidence that the program gives, with the seeds of some."""
    found: dict[str, list[str]] = {}
    for one in verdicts.faults:
        kind = one.event.truth.kind if one.event.truth else ""
        name = f"{one.verdict} {kind} by {'+'.join(one.answer.evidence) or '-'}"
        found.setdefault(name, []).append(one.key[0].removeprefix("n"))
    lines: list[str] = []
    for name, all_seeds in sorted(found.items(), key=lambda item: -len(item[1]))[:16]:
        some = " ".join(list(dict.fromkeys(all_seeds))[:5])
        lines.append(f"{'':<12}{len(all_seeds):>8}  {name:<42} seeds {some}")
    return lines


def table(rows: dict[str, tuple[int, Verdicts]]) -> str:
    """One line a level of rules."""
    names = ("named", "at-least", "unknown", "host", *BAD)
    head = f"{'rules':<12}{'histories':>10}" + "".join(f"{name:>13}" for name in names)
    lines = [head]
    for level, (count, verdicts) in rows.items():
        lines.append(f"{level:<12}{count:>10}" + "".join(f"{verdicts.counts[name]:>13}" for name in names))
        ours = Counter({k[3:]: v for k, v in verdicts.counts.items() if k.startswith("in ")})
        total = sum(ours.values()) or 1
        lines.append(f"{'':<12}of events in containers named {ours['named'] / total:.1%}, unknown "
                     f"{dict(verdicts.unknown.most_common(6))}")  # fmt: skip
        lines += kinds(verdicts)
    return "\n".join(lines)


def main(words: Sequence[str]) -> int:
    """Run; the exit status is 1 if an answer was one that must not be."""
    asked = options(words)
    names = (*PERTURBATIONS, "mixed") if "any" in asked.perturb else tuple(asked.perturb)
    levels = list(LEVELS) if asked.rules == "each" else [asked.rules]
    rows: dict[str, tuple[int, Verdicts]] = {}
    shown = asked.shrink
    began = time.monotonic()
    for level in levels:
        plan = Plan(0, asked.events, asked.pid_max, level, engines=tuple(asked.engines))
        total = Verdicts()
        seeds = range(asked.seed, asked.seed + asked.histories)
        failed: list[int] = []
        for seed, log, verdicts in judged(Request(plan, names, varied=not asked.plain), seeds):
            total.add(verdicts)
            if verdicts.faults:
                failed.append(seed)
                if asked.keep:
                    keep(asked.keep / level, seed, log, verdicts)
            for fault in verdicts.faults[: min(shown, 1)]:
                say(context(log, fault) + "\n")
                shown -= 1
        rows[level] = (asked.histories, total)
        if failed:
            say(f"{level}: {len(failed)} histories with faults, seeds {' '.join(map(str, failed[:20]))}")
    say(table(rows))
    say(f"{time.monotonic() - began:.1f} s")
    return 1 if any(verdicts.faults for _, verdicts in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
