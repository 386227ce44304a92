"""`annotator register`: put a process into a container by hand, or from an orchestrator's script."""

from __future__ import annotations

import json
import os
import uuid as uuids
from pathlib import Path
from typing import Any

import click

from annotator.core.errors import AnnotatorError, UsageError
from annotator.engine.registration_service import as_uuid
from annotator.io.control import DEFAULT
from annotator.oci.register import register as tell


class Uuid(click.ParamType[str]):
    """16 bytes, as 32 hex digits with or without hyphens."""

    name = "uuid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Its usual form."""
        return as_uuid(str(value)) or self.fail(f"{value!r} is no UUID", param, ctx)


@click.command()
@click.argument("pid", type=click.IntRange(1, 2**31 - 1))
@click.option(
    "--contid", type=click.IntRange(0, 2**64 - 2), help="The number it shall have; else it follows from the id."
)
@click.option("--uuid", type=Uuid(), help="The container's UUID; its id, where none is given.")
@click.option("--id", "engine_id", default="", help="The engine's id of the container, in full.")
@click.option("--name", default="", help="What people call it.")
@click.option("--image", default="", help="What it is made of.")
@click.option("--engine", default="manual", show_default=True, help="Who made it.")
@click.option("--socket", default=DEFAULT, show_default=True, metavar="PATH", help="The plugin's control socket.")
@click.option("--no-log", is_flag=True, help="Do not say it in the audit log.")
def register(pid: int, contid: int | None, engine_id: str, socket: str, *, no_log: bool, **names: str | None) -> None:
    """Register process PID, and what it starts from now on, as a container. Needs CAP_AUDIT_CONTROL.

    Without --contid, --uuid and --id it gets a new UUID. The running plugin is told, and the audit log says it.
    On a kernel with contid patches write to /proc/PID/audit_containerid instead (annotator-oci-runtime does).

    Example: annotator register 4711 --contid 7 --name build
    """
    if contid is not None and names["uuid"]:
        raise UsageError("--contid and --uuid: give one", "The number follows from the UUID.")
    if contid is None and not engine_id and not names["uuid"]:
        names["uuid"] = str(uuids.uuid4())
    if Path("/proc/self").exists() and not Path(f"/proc/{pid}").exists():
        raise AnnotatorError(f"there is no process {pid}", "Register a process while it lives, by its pid here.")
    request: dict[str, Any] = {"pid": pid, **{name: value for name, value in names.items() if value}}
    if contid is not None:
        request["contid"] = str(contid)
    if engine_id:
        request["id"] = engine_id
    from annotator.linux.netlink.user_messages import send

    _check(pid)
    outcome = tell(request, socket, None if no_log else send)
    if outcome.error:
        raise AnnotatorError(f"{outcome.error}: {outcome.why}")
    for problem in outcome.problems:
        click.echo(f"annotator: {problem}", err=True)
    if outcome.contid is None and (no_log or outcome.log):
        raise AnnotatorError(f"process {pid} is not registered", "Neither the plugin nor the log could be told.")
    said = {"pid": pid, "id": request.get("id") or request.get("uuid") or f"contid-{contid}"}
    if outcome.contid is not None:
        said["contid"] = str(outcome.contid)
    click.echo(json.dumps(said))


COMMANDS = (register,)


def _check(pid: int) -> None:
    """Nothing is written about a process that there is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError as error:
        raise AnnotatorError(f"there is no process {pid}", "Nothing was registered, and nothing was logged.") from error
    except PermissionError:
        return  # it is there, and another user's
