"""`annotator-oci-hook`: an OCI runtime hook (stage createRuntime) that registers the container being made.

The state of the container comes on standard input; nothing is ever written to standard output, and to standard error,
which runtimes show when a hook fails, only what went wrong. It must not stop containers: whatever goes wrong it ends
with 0, unless `--required` turns that round. The stage matters: at createRuntime the container's first process is
there and nothing of the image has run yet, and the hook runs on the host, beside the runtime.
"""

from __future__ import annotations

import os
import sys

from annotator.core.errors import AnnotatorError, FormatError
from annotator.io.control import DEFAULT
from annotator.oci import state as oci
from annotator.oci.register import register

USAGE = """\
usage: annotator-oci-hook [--required] [--engine NAME] [--socket PATH] [--no-log]
OCI runtime hook, stage createRuntime: registers the container whose state is on standard input.
  --required     fail, and so stop the container, when it cannot be registered
  --engine NAME  the engine's name, where the state does not tell (docker, podman, containerd, crio)
  --socket PATH  the plugin's control socket (default %s)
  --no-log       do not say it in the audit log
"""


class Options:
    """The command line. Raises FormatError."""

    def __init__(self, arguments: list[str]) -> None:
        self.required = self.help = False
        self.log = True
        self.engine, self.socket = "", DEFAULT
        words = iter(arguments)
        for word in words:
            name, given, value = word.partition("=")
            if name in ("--engine", "--socket"):
                value = value if given else next(words, "")
                if not value:
                    raise FormatError(f"{name} needs a value")
                setattr(self, name[2:], value)
            elif word == "--required":
                self.required = True
            elif word == "--no-log":
                self.log = False
            elif word in ("-h", "--help"):
                self.help = True
            else:
                raise FormatError(f"unknown option {word[:64]!r}")


def main(arguments: list[str] | None = None) -> int:
    """Run as a hook; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    required = "--required" in given
    try:
        options = Options(given)
        if options.help:
            sys.stderr.write(USAGE % DEFAULT)
            return 0
        problems = run(options, _read(0))
    except (AnnotatorError, OSError) as err:
        problems = [str(err)]
    for problem in problems:
        sys.stderr.write(f"annotator-oci-hook: {problem}\n")
    return 1 if problems and required else 0


def run(options: Options, data: bytes) -> list[str]:
    """Register; returns what went wrong. Raises FormatError for a state that is none."""
    found = oci.parse(data, options.engine)
    from annotator.linux.netlink.user_messages import send

    request = {name: value for name, value in found._asdict().items() if value}
    return register(request, options.socket, send if options.log else None).problems


def _read(fd: int) -> bytes:
    """All of a descriptor, at most one byte more than a state may have."""
    pieces: list[bytes] = []
    left = oci.MAX_STATE + 1
    while left and (piece := os.read(fd, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
