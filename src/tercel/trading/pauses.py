"""Agents that wait until it is clear what they hold: stopped by limits, neither killed nor anybody's fault here.

An alert with `stops` pauses its agent, in the session that writes it and in whoever folds its journal; so does an alarm
of limits over what nobody asked for (`limits.PAUSES`). It goes on, by an entry that says why, when what was missing has
come, when positions agree with the venue's, or when a person says that they are right (`tercel trade settle`).
"""

from typing import TYPE_CHECKING, Final

from tercel.core.ports import Entry
from tercel.limits import PAUSES
from tercel.trading.journal import kinds
from tercel.trading.order import Code

if TYPE_CHECKING:
    from tercel.trading.gateway import OrderGateway
    from tercel.trading.limits_port import LimitsPort

STOPS: Final = "stops"
"""In the body of an alert: its agent sends nothing new until it goes on."""
_REASONS: Final = PAUSES | {Code.EXEC_CHANGED, Code.GAP}


def obey(entry: Entry, limits: "LimitsPort") -> None:
    """Let limits stop the agent of an alert that says so."""
    if entry.kind == kinds.ALERT and STOPS in entry.body:
        limits.stop(entry.agent, f"{entry.body['code']} {entry.order}")


def paused(gateway: "OrderGateway") -> dict[str, str]:
    """Agents that wait, and the code of what they wait over; those that are killed wait for a person."""
    codes = {
        name: agent.stopped.partition(" ")[0]
        for name, agent in gateway.limits.agents.items()
        if agent.stopped and name not in gateway.ledger.killed
    }
    return {name: code for name, code in codes.items() if code in _REASONS}


def go_on(gateway: "OrderGateway", agent: str, by: str, reason: str) -> None:
    """Let an agent go on, and say so."""
    body = {"scope": agent, "by": by, "reason": reason}
    gateway.write([Entry(kinds.REARM, gateway.venue.now_ns, agent=agent, body=body)])
    gateway.limits.resume(agent)
