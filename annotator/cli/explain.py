"""`annotator explain`: why an event has the answer it has."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from annotator.cli import inputs as reading
from annotator.cli.options import aix_options, context_options, inputs, output_file, quiet_option
from annotator.cli.output import opened, width_of
from annotator.cli.times import human_time
from annotator.core.errors import UsageError
from annotator.engine.factory import Options, interpret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from annotator.core.model import Stamp
    from annotator.engine.explanation import Explainer, Explanation

_GIVEN = re.compile(r"(?:msg=)?(?:audit\()?(?:(?P<when>.+):)?(?P<serial>\d{1,20})\)?:?")
"""A stamp as audit prints it, or a time of any spelling and a serial, or a serial alone."""

MAX_RECORDS = 40
"""Records shown of one event."""


class WhichEvent(click.ParamType[tuple[int | None, int]]):
    """STAMP:SERIAL as audit prints it, the time of the text form and the serial, or the serial alone."""

    name = "event"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int | None, int]:
        """Milliseconds (None: any), and the serial."""
        if isinstance(value, tuple):
            return value
        match = _GIVEN.fullmatch(str(value).strip())
        if match is None:
            self.fail(
                f"{value!r} names no event: give STAMP:SERIAL, such as 1700000000.123:4567, or a serial", param, ctx
            )
        try:
            return (human_time(match["when"]) if match["when"] else None), int(match["serial"])
        except UsageError as err:
            self.fail(str(err), param, ctx)


@click.command()
@click.argument("which", type=WhichEvent(), metavar="STAMP:SERIAL")
@inputs
@click.option("--node", default="", help="On which host, for logs of several.")
@context_options
@aix_options
@click.option(
    "--format", "--output", "form", type=click.Choice(("text", "json")), default="text", show_default=True, help="Form."
)
@output_file
@click.option("--wide", is_flag=True, help="Records in full, however long.")
@quiet_option
def explain(
    which: tuple[int | None, int], inputs: tuple[str, ...], node: str, form: str, out: Path | None, **given: Any
) -> None:
    """Explain one event: what it says, the answer, and each step of the evidence with the records it rests on.

    Where the answer is unknown it says why, and which audit rule would have proven it.

    Example: annotator explain 1700000000.123:4567 audit.log
    """
    wide, quiet = given.pop("wide"), given.pop("quiet")
    with reading.seekable(reading.names_of(inputs)) as names:
        explainer = _explained(which, names, node, quiet=quiet, options=Options(format="none", **given))
        explanation = explainer.explanation
        if explanation is None:
            raise _not_there(which, node)
        stamps = [explanation.event.stamp, *(step.stamp for step in explanation.steps if step.stamp is not None)]
        records = _records(names, stamps, explanation)
    with opened(out) as sink:
        sink.write(_text(explanation, records, form, width_of(out, wide=wide)).encode("utf-8", "backslashreplace"))
    if explainer.others:
        more = ", ".join(map(str, explainer.others[:5]))
        click.echo(f"annotator: other events of this log have that serial too: {more}", err=True)


COMMANDS = (explain,)


def _explained(
    which: tuple[int | None, int], names: Sequence[str], node: str, *, quiet: bool, options: Options
) -> Explainer:
    """Read the log up to the event."""
    from annotator.engine.explanation import Explainer
    from annotator.engine.pipeline import Tables
    from annotator.engine.replay import Replay

    tables = Tables(keep_all=True)
    name = node.encode("utf-8", "surrogateescape") if node else None
    explainer = Explainer(tables, which[1], which[0], name)
    run = Replay(options, tables=tables, observer=explainer.observe)
    for block in reading.blocks(names, quiet=quiet, system=options.system):
        run.feed(block)
        if explainer.explanation is not None and which[0] is not None:
            return explainer
    run.finish()
    return explainer


def _not_there(which: tuple[int | None, int], node: str) -> UsageError:
    ms, serial = which
    when = f"{ms // 1000}.{ms % 1000:03d}:" if ms is not None else ""
    host = f" of host {node}" if node else ""
    return UsageError(
        f"no event {when}{serial}{host} is in this log",
        "Copy the stamp from the log (msg=audit(STAMP:SERIAL)), or the time from `annotator replay --format text`.",
    )


def _records(names: Sequence[str], stamps: Sequence[Stamp], explanation: Explanation) -> dict[Stamp, list[str]]:
    """The records of those events as they stand in the log, found in a second reading."""
    from annotator.io.console import plain

    wanted = {f"audit({stamp})".encode(): stamp for stamp in stamps}
    pattern = re.compile(b"|".join(map(re.escape, wanted)))
    node = explanation.event.node
    found: dict[Stamp, list[str]] = {stamp: [] for stamp in stamps}
    for block in reading.blocks(names, quiet=True):
        for match in pattern.finditer(block.text):
            start = block.text.rfind(b"\n", 0, match.start()) + 1
            stop = block.text.find(b"\n", match.end())
            line = block.text[start : stop if stop >= 0 else len(block.text)]
            lines = found[wanted[match[0]]]
            if (node and b"node=" + node + b" " not in line[:300]) or len(lines) >= MAX_RECORDS:
                continue
            lines.append(plain(line.replace(b"\x1d", b" ").rstrip(b"\r").decode("utf-8", "backslashreplace")))
    return found


def _text(explanation: Explanation, records: dict[Stamp, list[str]], form: str, width: int | None) -> str:
    from annotator.formats.json import document
    from annotator.formats.text import message
    from annotator.report import explain as report

    event = explanation.event
    sentence = message(document(event, explanation.answer, interpret(event), node=event.node, message=False))
    if form == "json":
        return json.dumps(report.as_row(explanation, records, sentence)) + "\n"
    return report.as_text(explanation, records, sentence, width)
