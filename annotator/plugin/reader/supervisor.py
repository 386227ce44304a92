"""Supervises the worker process: start, messages, restart, reload; and the settings that the worker sends."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

from annotator.plugin import ipc

if TYPE_CHECKING:
    from annotator.io.log import Log

GIVE_UP = 8
"""Deaths of workers without any progress after which the plugin ends, and leaves the restart to auditd."""


class ReaderSettings:
    """The part of the configuration that the reader needs; the defaults hold until the worker has read it."""

    def __init__(self) -> None:
        self.socket = self.directory = ""
        self.format = "auto"
        self.limit = 64 << 20
        self.policy = "block"
        self.spill_max = 0
        self.drain_s = 2.0
        self.syslog, self.level, self.stderr = "/dev/log", "info", False
        self.oom_score_adj = 0
        self.inherit, self.clean = False, True
        self.caps: int | None = None

    def update(self, payload: bytes) -> bool:
        """Take over the worker's message; False when it is invalid (the worker has fewer rights than the reader)."""
        import json

        try:
            values: Any = json.loads(payload)
        except ValueError:
            return False
        for name in self.__dict__:
            value = values.get(name, getattr(self, name)) if isinstance(values, dict) else None
            if name != "caps" and type(value) is not type(getattr(self, name)):
                return False
            setattr(self, name, value if name != "caps" or type(value) is int else None)
        return True


class Supervisor:
    """The present worker. `over`: there will be no other, and the plugin ends with `code`."""

    def __init__(self, config: str, log: Log) -> None:
        self.config = config
        self.log = log
        self.channel: socket.socket | None = None
        self.ready = False
        self.over = False
        self.code = 0
        self.given = self.read = self.left = 0  # chunks of this worker: sent to it, read by it, through it
        self.deaths = 0  # since a worker last finished anything
        self.restarts = 0
        self.retry_at = 0.0
        self._pid = 0
        self._buffer = ipc.MessageBuffer()
        self._was_ready = False
        self._limited = False

    def spawn(self, close: tuple[int, ...], *, again: bool = False) -> None:
        """Fork a worker. It is a fork and not a new program: nothing of it is imported here yet, so it starts fresh.

        `again`: it will be given chunks that a worker before it had.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        for one in (ours, theirs):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        pid = os.fork()
        if pid == 0:
            _child(self.config, self.log, ours, theirs, close, again=again)
        theirs.close()
        self.channel, self._pid, self._buffer = ours, pid, ipc.MessageBuffer()
        self.ready = False
        self.given = self.read = self.left = 0

    def receive(self) -> list[tuple[bytes, bytes]]:
        """The worker's messages; `channel` becomes None when it is gone."""
        channel = self.channel
        if channel is None:
            return []
        messages: list[tuple[bytes, bytes]] = []
        try:
            while data := _received(channel):
                messages += self._buffer.feed(data)
        except BlockingIOError:
            return messages
        except (OSError, ValueError) as err:
            self.log.error("worker-unheard", why=err)
            self.kill()
        channel.close()
        self.channel = None
        return messages

    def acknowledge(self, read: int, left: int) -> int:
        """Take the worker's counts of chunks; returns how many more have left since the last time."""
        read = min(max(read, self.read), self.given)
        left = min(max(left, self.left), read)
        more = left - self.left
        self.read, self.left = read, left
        if more:
            self.deaths = 0
        return more

    def handle_end(self, *, stopping: bool, left: bool) -> None:
        """The channel has closed: find out how the worker ended, and decide what follows."""
        _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        was_ready, self.ready = self.ready, False
        self._was_ready = self._was_ready or was_ready
        self.retry_at = time.monotonic()
        ended_well = code in (0, ipc.RELOAD_CODE)
        if stopping and (code == 0 or not left):
            self.over, self.code = True, 0 if ended_well else 1
        elif code == ipc.RELOAD_CODE:
            self.log.info("reloaded")
        elif code == ipc.CONFIG_CODE and not self._was_ready:
            self.over, self.code = True, code
        else:
            self.deaths += 1
            self.restarts += 1
            self.over = stopping or self.deaths >= GIVE_UP
            self.code = 1
            self.retry_at += min(10.0, 0.05 * 2**self.deaths)
            self.log.error("worker-died", code=code, deaths=self.deaths, over=self.over)

    def kill(self) -> None:
        """Kill a worker that does not end."""
        try:
            os.kill(self._pid, signal.SIGKILL)
        except OSError as err:
            self.log.error("worker-not-killed", why=err.strerror)

    def drop_rights_once(self, caps: int, oom_score_adj: int) -> None:
        """Give up the rights that neither the reader nor a later worker needs; setting the score needs one of them."""
        if self._limited:
            return
        set_oom_score(oom_score_adj)
        from annotator.plugin.capabilities import limit

        self._limited = True
        if failed := limit(caps):
            self.log.warning("rights-kept", why=failed)


def _received(channel: socket.socket) -> bytes:
    """The bytes that have come; b"" at the end. Of a worker that had not read all the kernel reports that first."""
    try:
        return channel.recv(65536)
    except ConnectionResetError:
        return channel.recv(65536)


def reset_process() -> int:
    """Undo auditd's signal masks and oom score; returns a descriptor that gives the numbers of signals."""
    os.umask(0o077)
    wake, wakened = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)  # the number comes through the pipe
    signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    set_oom_score(0)  # auditd's own, -1000, is not for its plugins
    return wake


def set_oom_score(value: int) -> None:
    """This process's place in the out-of-memory killer's list (proc(5)), where that is allowed."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, b"%d" % value)
    except OSError:
        pass  # the worker logs that it cannot
    finally:
        os.close(fd)


def _child(
    config: str, log: Log, ours: socket.socket, theirs: socket.socket, close: tuple[int, ...], *, again: bool
) -> None:
    """Become the worker; never returns."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # systemd signals all of a unit; the reader tells the worker what to do
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ours.close()
    for fd in close:
        os.close(fd)
    # While we held it open, auditd would not see that the reader died.
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    code = 1
    try:
        from annotator.plugin.worker.worker import run

        code = run(config, theirs, again=again)
    except (ImportError, SyntaxError) as err:
        log.error("worker-not-loaded", what=repr(err)[:500])
    finally:
        os._exit(code)
