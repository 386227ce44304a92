"""One registration from start to end: ask the plugin, then record the outcome in the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.core.errors import AnnotatorError
from annotator.io import control

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.linux.netlink.user_messages import RegistrationMessage

TIMEOUT_S = 2.0
"""How long the plugin may take for each step."""


class Outcome(NamedTuple):
    """The outcome. `contid` is the plugin's answer; `error` the errno's name of a refusal.

    `plugin` and `log` are the reasons why the plugin was not asked, and why the log has no record; "" where they were.
    """

    contid: int | None = None
    error: str = ""
    why: str = ""
    plugin: str = ""
    log: str = ""

    @property
    def problems(self) -> list[str]:
        """All failures, in words."""
        refused = f"refused: {self.error}: {self.why}" if self.error else ""
        return [text for text in (refused, self.plugin, self.log) if text]


def register(
    request: dict[str, Any],
    socket: str,
    send: Callable[[RegistrationMessage], str] | None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Outcome:
    """Ask the plugin at `socket`, and `send` the outcome to the audit log (None: do not).

    Without a plugin the log has the request itself; a reader of the log applies the same rules. A refused registration
    is recorded as failed. Never raises.
    """
    outcome = Outcome()
    try:
        reply = control.ask(socket, {"op": "register", **request}, timeout_s=timeout_s)
    except AnnotatorError as err:
        outcome = outcome._replace(plugin=err.what)
    else:
        number = reply.get("contid")
        if reply.get("ok") is True and isinstance(number, str) and number.isdecimal() and len(number) <= 20:
            outcome = outcome._replace(contid=int(number))
        else:
            outcome = outcome._replace(error=str(reply.get("error"))[:32], why=str(reply.get("why"))[:200])
    if send is not None:
        outcome = outcome._replace(log=send(_message(request, outcome)))
    return outcome


def _message(request: dict[str, Any], outcome: Outcome) -> RegistrationMessage:
    from annotator.core.model import ContId
    from annotator.core.registry import derive_contid
    from annotator.linux.netlink.user_messages import RegistrationMessage

    engine_id = str(request.get("id") or request.get("uuid") or f"contid-{request.get('contid')}")
    number = request.get("contid")
    contid = ContId(int(number)) if number is not None else derive_contid(engine_id)
    return RegistrationMessage(
        int(request["pid"]),
        contid,
        engine_id,
        str(request.get("name") or ""),
        str(request.get("engine") or ""),
        refused=outcome.error,
    )
