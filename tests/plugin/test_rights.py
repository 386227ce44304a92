"""Least privilege, under what a service manager may forbid, and what the notes look like."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import UsageError
from annotator.io.log import Log, quoted
from annotator.plugin import capabilities
from annotator.plugin.accounts import gid_of, uid_of
from annotator.plugin.config import Config, Host, Output, Process
from annotator.plugin.reader.supervisor import ReaderSettings
from tests.plugin.driver import PROGRAM, configure, content, plugin, records

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system

PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1


def test_every_capability_that_is_kept_has_its_reason() -> None:
    """None without a reason in the configuration; the reader has what a new worker needs."""
    plain = dataclasses.replace(Config(), host=Host(live=False))
    assert capabilities.needed(plain) == ()
    assert capabilities.needed_by_reader(plain) == ()
    live = {"CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_NET_ADMIN", "CAP_SYS_NICE"}
    assert {one.name for one in capabilities.needed(Config())} == live
    full = dataclasses.replace(plain, process=Process(user="x"), output=(Output(path="/x", group="adm"),))
    assert {one.name for one in capabilities.needed(full)} == {"CAP_CHOWN"}
    kept = capabilities.needed_by_reader(full)
    assert {one.name for one in kept} == {"CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"}
    assert all(len(one.purpose.split()) > 3 for one in kept)
    assert capabilities.mask(kept) == 1 << 0 | 1 << 5 | 1 << 6 | 1 << 7


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_rights_can_be_given_up_where_memory_may_not_become_executable(tmp_path: Path) -> None:
    """MemoryDenyWriteExecute= of auditd.service, by the kernel's own switch (Linux 6.3)."""
    libc = ctypes.CDLL(None, use_errno=True)

    def forbid() -> None:
        if libc.prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
            os._exit(99)

    config = configure(tmp_path)
    done = subprocess.run(
        [PROGRAM, config], input=records(1, 20), capture_output=True, preexec_fn=forbid, timeout=20, check=False
    )
    if done.returncode == 99:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert done.returncode == 0
    assert b"rights-kept" not in done.stderr
    assert content(tmp_path / "out.log") == records(1, 20)


def test_check_config_says_what_is_kept_and_refuses_what_is_not_there(tmp_path: Path) -> None:
    """A user or group that does not exist, a wrong address: before auditd is told to start us."""
    good = configure(tmp_path)
    done = subprocess.run([PROGRAM, "--check-config", good], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "usable" in done.stdout
    assert "capabilities kept: none" in done.stdout
    for output, word in (('group = "no-such"', "no-such"), ('read_users = ["no-such"]', "no-such")):
        bad = configure(tmp_path, output=output)
        done = subprocess.run([PROGRAM, "--check-config", bad], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert word in done.stderr
    bad = configure(tmp_path, after='[[output]]\ntype = "syslog"\naddress = "tpc:x:1"\n')
    assert subprocess.run([PROGRAM, "--check-config", bad], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("words", [["-x"], ["a", "b"], ["--check-config", "-y"]])
def test_a_wrong_command_line_is_usage(words: list[str]) -> None:
    """Auditd's `args` are given as they are."""
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_names_and_numbers_of_people() -> None:
    """Both are understood; what is not there is our error."""
    assert uid_of("root") == uid_of("0") == gid_of("root") == 0
    for find in (uid_of, gid_of):
        with pytest.raises(UsageError, match="no-such"):
            find("no-such")


@given(st.text(max_size=60))
def test_a_message_is_one_line_whatever_it_says(text: str) -> None:
    """Nothing in a value can end the line or look like another key."""
    found = quoted(text)
    assert "\n" not in found
    assert found.isprintable()
    assert found.startswith('"') or not set(found) & set(' "=\\')


def test_messages_go_to_syslog_and_never_wait(tmp_path: Path) -> None:
    """A syslog that takes nothing costs messages, which are counted, not time; a new one is found."""
    path = tmp_path / "log"
    log = Log(str(path), part="x")
    log.error("nobody")
    assert log.dropped == 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        log.warning("first", why="a b")
        text = server.recv(4096)
        assert text.startswith(b"<28>audisp-contid[%d]: level=warning event=first part=x" % os.getpid())
        assert text.endswith(b'why="a b"')
        start = time.monotonic()
        for _ in range(3000):
            log.info("flood")
        assert time.monotonic() - start < 2
        assert log.dropped > 1000
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        log.info("again")
        assert b"event=again" in server.recv(4096)
    if log._socket is not None:
        log._socket.close()


@given(st.one_of(st.binary(max_size=60), st.sampled_from([b"[]", b"{}", b'{"limit":"x"}', b'{"caps":true}', b"3"])))
def test_what_a_worker_says_of_the_settings_is_checked(payload: bytes) -> None:
    """It may have fewer rights than the reader: only values of the right types are taken over."""
    settings = ReaderSettings()
    settings.update(payload)
    assert type(settings.limit) is int
    assert type(settings.directory) is str
    assert settings.caps is None or type(settings.caps) is int


@pytest.mark.slow
def test_the_worker_cannot_starve_the_reader(tmp_path: Path) -> None:
    """40,000 records a second for two seconds: a write of auditd's is held up for over 1 ms at most a few times."""
    lines = records(1, 20_000).splitlines(keepends=True)
    with plugin(configure(tmp_path)) as one:
        one.wait_for("event=rights")
        time.sleep(0.5)
        start = time.perf_counter()
        late = 0
        for number, line in enumerate(lines):
            due = start + number / 40_000
            now = time.perf_counter()
            if now < due - 0.0005:
                time.sleep(due - now)
                now = time.perf_counter()
            one.stream.send(line)
            late += time.perf_counter() - now > 0.001
        assert one.stop_3() == 0
    assert late < len(lines) // 1000
