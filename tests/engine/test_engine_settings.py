"""What a caller says of engines: `--engine-program`, `--engine-directory`, `--strict-evidence`, `[engines]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator.engine.factory import Options
from annotator.engine.replay import Replay
from annotator.io.sources import Block
from annotator.plugin.config_load import parse
from tests.system.test_samples import SAMPLES


def named(options: Options, data: bytes) -> int:
    """How many events are in containers."""
    run = Replay(options)
    run.feed(Block(data, "audit.log", 0))
    run.finish()
    return run.stats.container


def moved(exe: bytes, *, older: bool = False) -> bytes:
    """A log in which runc is another program; `older`: what shows that its shell is on the host is cut off."""
    data = (SAMPLES / "place-k0s" / "input.log").read_bytes().replace(b"/var/lib/k0s/bin/runc", exe)
    return data[data.index(b"type=SYSCALL msg=audit(1790000000.180:") :] if older else data


@pytest.mark.parametrize(
    ("exe", "options", "counts"),
    [
        (b"/usr/bin/runc", Options(), True),
        (b"/srv/runc", Options(), False),
        (b"/srv/runc", Options(engine_directories=("/srv",)), True),
        (b"/srv/runc", Options(engine_programs=("/srv/runc",)), True),
        (b"/usr/bin/myrunc2", Options(), False),
        (b"/usr/bin/myrunc2", Options(engine_programs=("myrunc2",)), True),
        (b"/usr/bin/runc", Options(strict_evidence=True), False),
    ],
)
def test_a_shell_older_than_the_log(exe: bytes, options: Options, *, counts: bool) -> None:
    """Nothing proves that it is on the host: its engines count by place and name, and not where evidence is strict."""
    assert (named(options, moved(exe, older=True)) > 0) is counts


@pytest.mark.parametrize("exe", [b"/usr/bin/runc", b"/srv/runc"])
def test_root_of_the_host(exe: bytes) -> None:
    """Who is proven to be on the host counts wherever its engine lies, also where evidence is strict."""
    assert named(Options(strict_evidence=True), moved(exe)) > 0


@pytest.mark.parametrize("exe", [b"/srv/runc", b"/usr/bin/myrunc2", b"/srv/no-such-engine"])
def test_the_reason_names_an_engine_that_does_not_count(exe: bytes) -> None:
    """Who is below it may be in a container: by its place, or its grammar alone where its name says nothing."""
    run = Replay(Options(format="json"))
    out = run.feed(Block(moved(exe, older=True), "audit.log", 0)) + run.finish()
    assert b'"reason":"engine-not-believed"' in out


def test_the_plugins_settings() -> None:
    """A table of its own in the configuration."""
    config = parse(b'[engines]\nprograms = ["myrunc"]\ndirectories = ["/srv/engines"]\n', str(Path("test.toml")))
    assert (config.engines.programs, config.engines.directories) == (("myrunc",), ("/srv/engines",))
