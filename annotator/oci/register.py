"""One registration from start to end: ask the plugin, then say in the audit log what came of it."""

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
    """What came of it. `contid` is what the plugin answered; `error` the errno's name of a refusal.

    `plugin` and `log` say why the plugin was not told, and why the log does not say it; "" is well.
    """

    contid: int | None = None
    error: str = ""
    why: str = ""
    plugin: str = ""
    log: str = ""

    @property
    def problems(self) -> list[str]:
        """All that went wrong, in words."""
        refused = f"refused: {self.error}: {self.why}" if self.error else ""
        return [text for text in (refused, self.plugin, self.log) if text]


def register(
    request: dict[str, Any],
    socket: str,
    send: Callable[[RegistrationMessage], str] | None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Outcome:
    """Ask the plugin at `socket`, and `send` the outcome (None: say nothing in the log).

    Without a plugin the log says what is asked for; whoever reads it applies the same rules. A refused one is said to
    have failed. Never raises.
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
        outcome = outcome._replace(log=send(_said(request, outcome)))
    return outcome


def _said(request: dict[str, Any], outcome: Outcome) -> RegistrationMessage:
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
