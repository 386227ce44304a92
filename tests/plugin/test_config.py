"""The configuration: nothing is guessed, nothing is let pass, and a file others may write is not believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import UsageError
from annotator.plugin.config import Config, Output
from annotator.plugin.config_load import load, parse

if TYPE_CHECKING:
    from pathlib import Path

FILE = '[[output]]\ntype = "file"\npath = "/x"\n'


def test_no_configuration_is_one_file_in_raw_form() -> None:
    """Without a file the plugin writes what stock tools read, and blocks rather than lose."""
    config = parse(b"", "x")
    assert config == Config()
    assert [(one.type, one.format, one.path) for one in config.output] == [
        ("file", "raw", "/var/log/annotator/audit.log")
    ]
    assert config.queue.when_full == "block"


def test_outputs_stand_side_by_side_and_have_names() -> None:
    """Each [[output]] is one; what has no name gets one by its type and place."""
    config = parse(
        f'{FILE}[[output]]\ntype = "stdout"\nformat = "json"\nname = "siem"\nonly_containers = true\n'.encode(), "x"
    )
    assert [one.name for one in config.output] == ["file1", "siem"]
    assert config.output[1].only_containers
    assert config.output[0] == Output(name="file1", path="/x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[queue]\nmemory_mb = 3", ("x.toml", "`queue.memory_mb`", "`memory_mib`")),
        ("[que]\n", ("`que`", "`queue`")),
        ("zzzzzz = 1", ("`zzzzzz`", "Known here")),
        (FILE + "onlycontainers = true", ("`output.onlycontainers`", "`only_containers`")),
        ('[queue]\nmemory_mib = "3"', ("`queue.memory_mib`", "whole number")),
        ("[queue]\nmemory_mib = true", ("`queue.memory_mib`", "whole number")),
        ("[queue]\nmemory_mib = 0", ("`queue.memory_mib`", "From 1")),
        ("[process]\ndrain_s = inf", ("`process.drain_s`", "From 0")),
        ("[process]\ndrain_s = nan", ("`process.drain_s`", "From 0")),
        ('[queue]\nwhen_full = "drop"', ("`queue.when_full`", '"spill"')),
        ("queue = 3", ("`queue`", "table")),
        ('output = "x"', ("`output`", "[[output]]")),
        ("output = []", ("no output",)),
        ("[log]\nstderr = 1", ("`log.stderr`", "true or false")),
        ('[[output]]\ntype = "file"\n', ("`path` is missing",)),
        ('[[output]]\ntype = "kafka"\nbrokers = ["a:1"]\n', ("`topic` is missing",)),
        ('[[output]]\ntype = "file"\npath = "x"\n', ("absolute",)),
        ('[[output]]\ntype = "stdout"\npath = "/x"\n', ("`path` has no effect for output type stdout",)),
        (FILE + 'mode = "0666"', ("`mode`", "owner alone")),
        (FILE + 'mode = "rw"', ("`mode`",)),
        (FILE + "heartbeat_s = 3", ("heartbeat",)),
        ('[[output]]\ntype = "syslog"\nformat = "msgpack"\n', ("syslog carries text",)),
        ('[[output]]\ntype = "stdout"\nname = "a"\n[[output]]\ntype = "stdout"\nname = "a"\n', ("two outputs",)),
        ('[metrics]\nfile = "a\\u0000b"', ("NUL",)),
        ("[queue", ("not TOML",)),
        ("[[output]]\ntype = 'stdout'\n" * 17, ("17 outputs",)),
    ],
)
def test_what_is_invalid_is_refused(text: str, words: tuple[str, ...]) -> None:
    """The error names the file, the key, and what to write instead."""
    with pytest.raises(UsageError) as caught:
        parse(text.encode(), "x.toml")
    for word in ("x.toml", *words):
        assert word in str(caught.value)


@given(st.one_of(st.binary(max_size=200), st.text(alphabet='[]="\n_.abcdeopqstu01', max_size=80).map(str.encode)))
def test_any_bytes_are_a_configuration_or_our_error(data: bytes) -> None:
    """Nothing but UsageError comes out of a file."""
    try:
        found = parse(data, "x")
    except UsageError:
        return
    assert isinstance(found, Config)


@pytest.mark.parametrize("mode", [0o622, 0o602, 0o620])
def test_a_file_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """It decides what root writes, and where."""
    path = tmp_path / "a.toml"
    path.write_text("", "utf-8")
    path.chmod(mode)
    with pytest.raises(UsageError, match="others may write it"):
        load(path)
    path.chmod(0o600)
    assert load(path) == Config()


def test_a_directory_others_may_write_is_refused(tmp_path: Path) -> None:
    """Who may write there may put another file in its place; a sticky directory does not allow that."""
    path = tmp_path / "d" / "a.toml"
    path.parent.mkdir()
    path.write_text("", "utf-8")
    path.chmod(0o600)
    path.parent.chmod(0o777)
    with pytest.raises(UsageError, match="others may write it"):
        load(path)
    path.parent.chmod(0o1777)
    load(path)


def test_a_link_is_followed_and_its_target_looked_at(tmp_path: Path) -> None:
    """As auditd follows one; what it points to, and where that lies, must be ours."""
    path = tmp_path / "d" / "a.toml"
    path.parent.mkdir(mode=0o700)
    path.write_text("", "utf-8")
    path.chmod(0o600)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    assert load(link) == Config()
    path.parent.chmod(0o777)
    with pytest.raises(UsageError, match="others may write it"):
        load(link)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A named file must be there, and be a file."""
    with pytest.raises(UsageError, match="no such file"):
        load(tmp_path / "x")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path)
