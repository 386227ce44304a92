"""What is counted, what must add up, and how the counts are shown.

Counters only ever grow, but for `possible_loss`: a serial that was missing may still come. Each is a plain attribute,
so that the hot path adds to it and nothing more. A new counter is one line here; every form below then has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from annotator.core.model import Flag, Reason

MAX_NODES = 256
"""Nodes whose possible loss is kept apart; that of others is in the total alone (a node name is anyone's text)."""

GAUGES = frozenset({"possible_loss"})
"""What may also fall."""


def _counter(meaning: str) -> int:
    """One counter, zero at first, with its meaning for people; the annotation is its type."""
    return field(default=0, metadata={"meaning": meaning})


@dataclass(slots=True)
class Stats:
    """The counts of one run."""

    lines: int = _counter("Input lines read.")
    annotated: int = _counter("Lines that left with fields added.")
    already: int = _counter("Lines that came with our fields and left as they came.")
    passed: int = _counter("Lines that left as they came.")
    rejected: int = _counter("Lines whose head cannot be read; they left as they came.")
    filtered: int = _counter("Lines of events that a filter of the command line left out.")

    events: int = _counter("Events decided.")
    closed: int = _counter("Events closed because they were whole.")
    aged: int = _counter("Events closed because no further record came for the timeout.")
    forced: int = _counter("Events closed early because too much was open.")
    flushed: int = _counter("Events closed by the end of the input.")

    container: int = _counter("Events found to be in a container.")
    host: int = _counter("Events found to be on the host.")
    unknown: int = _counter("Events for which it cannot be told; each has a reason.")
    none: int = _counter("Events about no process and no network namespace.")
    tentative: int = _counter("Registrations whose result is not in the log.")

    late: int = _counter("Records that came after their event was decided.")
    lost: int = _counter("Records that the trail itself says were lost.")
    possible_loss: int = _counter("Serials not seen: a sign of loss, not a proof, as filters leave gaps too.")
    left_out_fields: int = _counter("Fields not added because the line would have become too long.")
    facts_skipped: int = _counter("Stored facts that this version cannot read.")
    store_cut_bytes: int = _counter("Bytes of journals and state files that were damaged or unfinished.")
    store_failed: int = _counter("Facts that could not be stored.")

    reasons: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))
    flags: dict[Flag, int] = field(default_factory=lambda: dict.fromkeys(Flag, 0))
    nodes: dict[bytes, int] = field(default_factory=dict)
    """Possible loss by node, of the first MAX_NODES nodes that had any."""

    def missed(self, node: bytes, serials: int) -> None:
        """So many serials of `node` were not seen; keeps them by node (the total is `possible_loss`)."""
        if node in self.nodes or len(self.nodes) < MAX_NODES:
            self.nodes[node] = self.nodes.get(node, 0) + serials

    def check(self, *, held_lines: int = 0, undecided: int = 0) -> list[str]:
        """The invariants that do not hold, as sentences; [] when all is well.

        In mid-stream `held_lines` have come and not left, and `undecided` events were closed and have no answer yet.
        """
        left = self.annotated + self.already + self.passed + self.rejected + self.filtered
        ended = self.closed + self.aged + self.forced + self.flushed
        answers = self.container + self.host + self.unknown + self.none
        sums = (
            ("lines", self.lines, "annotated + already + passed + rejected + filtered + held", left + held_lines),
            ("closed + aged + forced + flushed", ended, "events + undecided", self.events + undecided),
            ("events", self.events, "container + host + unknown + none", answers),
            ("unknown", self.unknown, "the sum of its reasons", sum(self.reasons.values())),
        )
        broken = [f"{name} is {one}, but {other} is {two}" for name, one, other, two in sums if one != two]
        broken += [f"{name} is {value}, below zero" for name, value in self.as_dict().items() if value < 0]
        return broken

    @property
    def has_loss(self) -> bool:
        """Something did not come, or did not get in: what `--strict` turns into exit code 3."""
        return bool(self.rejected or self.lost or self.possible_loss or self.left_out_fields or self.store_failed)

    def as_dict(self) -> dict[str, int]:
        """Every count by its name, reasons as `unknown_REASON` and flags as `flag_FLAG`; nodes are not in it."""
        counts = {one.name: getattr(self, one.name) for one in fields(self) if "meaning" in one.metadata}
        counts |= {f"unknown_{_name(reason)}": count for reason, count in self.reasons.items()}
        counts |= {f"flag_{_name(flag)}": count for flag, count in self.flags.items()}
        return counts

    def summary(self) -> str:
        """What a person wants at the end of a run: the main counts always, the others when they are not 0."""
        counts = self.as_dict()
        return " ".join(f"{name}={value}" for name, value in counts.items() if value or name in _MAIN)

    def metrics(self, prefix: str = "annotator") -> str:
        """All counts in the Prometheus text format 0.0.4, as its agents read it from a file.

        https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        out: list[str] = []
        for one in fields(self):
            meaning = one.metadata.get("meaning")
            if meaning is None:
                continue
            gauge = one.name in GAUGES
            name = f"{prefix}_{one.name}" if gauge else f"{prefix}_{one.name}_total"
            out += [f"# HELP {name} {meaning}", f"# TYPE {name} {'gauge' if gauge else 'counter'}"]
            out.append(f"{name} {getattr(self, one.name)}")
        for name, label, meaning, values in (
            ("unknown_reasons_total", "reason", "Unknown answers by reason.", self.reasons),
            ("answer_flags_total", "flag", "Answers by what is odd about them.", self.flags),
            ("missed_serials_total", "node", "Serials not seen, by node.", self.nodes),
        ):
            if values:
                out += [f"# HELP {prefix}_{name} {meaning}", f"# TYPE {prefix}_{name} counter"]
            out += [f'{prefix}_{name}{{{label}="{_label(key)}"}} {count}' for key, count in values.items()]
        return "\n".join(out) + "\n"


_MAIN = frozenset({"lines", "annotated", "events", "container", "host", "unknown", "none", "rejected", "possible_loss"})


def _name(value: Reason | Flag) -> str:
    return value.value.replace("-", "_")


def _label(value: str | bytes) -> str:
    """A label's value: UTF-8 text with backslash, quote and line feed escaped."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
