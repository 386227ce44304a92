"""Inputs that are no audit logs: an error with what to do, before anything leaves."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from annotator.core.errors import FormError, UsageError
from annotator.engine.factory import Options
from annotator.engine.input_check import blocks_of, check_files
from annotator.engine.replay import Replay
from annotator.io.sources.detection import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

RECORD = b"type=USER msg=audit(1790000000.030:101): pid=1 uid=0 auid=0 ses=1 msg='op=x res=success'\n"
INTERPRETED = b"type=USER msg=audit(11/21/2026 21:48:34.181:1467) : pid=1 uid=root auid=root ses=1 msg=op=x\n"

NO_LOGS = {
    "ecs": b'{"ID":"1790000000.866:3279","SYSCALL":{"arch":"0xc000003e","syscall":2}}\n',
    "export": b"__REALTIME_TIMESTAMP=1790000000000000\n_TRANSPORT=audit\nMESSAGE=SYSCALL arch=c000003e syscall=90\n\n",
    "inside": b'May 20 13:45:56 h {"M": "type=USER msg=audit(1790000000.420:7491): pid=1 msg=\\"x\\""}\n',
    "text": b"# a README\n\nsome words\n",
    "bytes": bytes(range(256)) * 9,
    "tetragon": b'{"process_exec":{"process":{"pid":1}}}\n',
}


def run(*paths: Path, system: str = "auto") -> bytes:
    """What a replay of these files gives."""
    replay = Replay(Options(system=system))
    out = b"".join([replay.feed(block) for block in blocks_of(map(str, paths), system=system)])
    return out + replay.finish()


@pytest.mark.parametrize("system", ["auto", "linux"])
@pytest.mark.parametrize("name", NO_LOGS)
def test_an_input_without_a_record_is_refused(tmp_path: Path, name: str, system: str) -> None:
    """The message names the file, and says what to give."""
    path = tmp_path / "audit.log"
    path.write_bytes(NO_LOGS[name])
    with pytest.raises(FormError) as refused:
        run(path, system=system)
    assert refused.value.what.startswith(str(path))
    assert refused.value.advice


def test_all_inputs_are_looked_at_before_the_first_is_read(tmp_path: Path) -> None:
    """A bad one behind a good one: nothing leaves."""
    good, bad = tmp_path / "a", tmp_path / "b"
    good.write_bytes(RECORD)
    bad.write_bytes(NO_LOGS["text"])
    with pytest.raises(FormError):
        next(blocks_of([str(good), str(bad)]))


def test_one_record_makes_it_a_log_however_late(tmp_path: Path) -> None:
    """A crash leaves zeros, a relay its own lines."""
    path = tmp_path / "audit.log"
    path.write_bytes(b"words\n" * 50_000 + b"\0" * 5000 + b"\n" + RECORD)
    assert run(path) == path.read_bytes()
    path.write_bytes(b"words\n" * (PATIENCE // 6 + 1) + RECORD)
    with pytest.raises(FormError):
        run(path)


@pytest.mark.parametrize("text", [b"", b"\n", b" \n\r\n\n"])
def test_an_empty_log_is_one(tmp_path: Path, text: bytes) -> None:
    """Nothing was written yet: no error, and the blank lines come out."""
    path = tmp_path / "audit.log"
    path.write_bytes(text)
    assert run(path) == text


def test_what_lost_its_records_is_refused_whatever_comes_first() -> None:
    """The first read of a pipe may hold no more than `----`."""
    replay = Replay(Options())
    head, rest = b"----\n", INTERPRETED
    from annotator.io.sources import Block

    assert replay.feed(Block(head[:-1], "-", len(head))) == b""
    with pytest.raises(FormError, match="ausearch -i"):
        replay.feed(Block(rest[:-1], "-", len(head) + len(rest)))


def test_a_compressed_file_cannot_be_followed(tmp_path: Path) -> None:
    """It would be read as lines."""
    path = tmp_path / "audit.log.gz"
    path.write_bytes(gzip.compress(RECORD))
    check_files([path], system="auto")
    with pytest.raises(FormError, match="compressed"):
        check_files([path], system="auto", packed=False)


def test_logs_of_two_systems_are_refused_before_the_first_is_read(tmp_path: Path) -> None:
    """Linux and AIX in one run."""
    linux, aix = tmp_path / "a", tmp_path / "b"
    linux.write_bytes(RECORD)
    aix.write_bytes(b"event           login    status      time                     command\n")
    with pytest.raises(UsageError, match="one run"):
        check_files([linux, aix], system="auto")
