"""The steps a worker takes once, before it makes a thread or opens an output; the check of a configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.errors import AnnotatorError, UsageError
from annotator.plugin import capabilities, config_load
from annotator.plugin.accounts import uid_of
from annotator.plugin.control_server import prepare
from annotator.plugin.outputs.output import sink_opener

if TYPE_CHECKING:
    from annotator.io.log import Log
    from annotator.plugin.config import Config


def check_config(path: str) -> int:
    """Print whether the configuration can be used; returns the exit code."""
    try:
        config = config_load.load(Path(path) if path else None)
        for output in config.output:
            sink_opener(output, Path(output.path), "")
            if output.type == "syslog":
                from annotator.io.sinks.syslog import address

                address(output.address)
    except AnnotatorError as err:
        sys.stderr.write(f"audisp-contid: {err}\n")
        return int(err.exit_code)
    kept = ", ".join(f"{one.name} ({one.purpose})" for one in capabilities.needed_by_reader(config)) or "none"
    sys.stdout.write(f"{path or config_load.DEFAULT}: usable\ncapabilities kept: {kept}\n")
    return 0


def apply_process_settings(config: Config, log: Log) -> None:
    """Umask, place in the out-of-memory killer's list, state directory, user, rights. Before any thread is made."""
    os.umask(0o077)
    try:
        Path("/proc/self/oom_score_adj").write_text(str(config.process.oom_score_adj), "ascii")
    except OSError as err:
        log.warning("oom-score-kept", why=err.strerror)
    keep = capabilities.mask(capabilities.needed(config))
    try:
        prepare(config)
    except (OSError, KeyError) as err:
        log.warning("no-control-directory", path=config.control.socket, why=err)
    directory = Path(config.state.directory) if config.state.directory else None
    try:
        if directory is not None and not directory.exists():
            directory.mkdir(0o700, parents=True)
            if config.process.user:  # the reader stays root, and has no right to ignore modes
                os.chown(directory, uid_of(config.process.user), 0)
                directory.chmod(0o770)
        if config.process.user:
            uid_of(config.process.user)
            capabilities.become(config.process.user, keep | 1 << capabilities.SETPCAP)
    except (OSError, KeyError) as err:
        raise UsageError(f"cannot start as configured: {err}", "Check state.directory and process.user.") from err
    if failed := capabilities.limit(keep):
        log.warning("rights-kept", why=failed)
    log.info("rights", kept=",".join(one.name for one in capabilities.needed(config)) or "none", uid=os.geteuid())
