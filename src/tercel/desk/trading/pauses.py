"""Agents paused until their position is clear again: stopped through limits, but neither killed nor in breach.

An alert with `stops` pauses its agent, in the session that writes it and in whoever folds its journal; so does an alarm
of limits over what nobody asked for (`limits.PAUSES`). It goes on, by an entry that says why, when what was missing has
come, when positions agree with the venue's, or when a person says that they are right (`tercel trade settle`).
"""

from collections.abc import Iterable

from tercel.core.ports import Entry
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.state import StateReason


def paused(gateway: OrderGateway) -> dict[str, list[str]]:
    """Paused agents with the codes they wait on; killed agents are left out, as a person has to re-arm them, and
    implausible executions, as a person has to confirm each."""
    states = gateway.states
    waits = [
        agent
        for agent in states.held(StateReason.STOPPED)
        if states.why(StateReason.KILLED, agent) is None
    ]
    of = gateway.limits.doubts
    found = {
        agent: [
            code for code in states.causes(StateReason.STOPPED, agent) if (agent, code) not in of
        ]
        for agent in waits
    }
    return {agent: codes for agent, codes in found.items() if codes}


def go_on(
    gateway: OrderGateway, agent: str, by: str, reason: str, codes: Iterable[str], **more: int
) -> None:
    """Clear a code an agent waited on and journal it; it resumes unless it is stopped for another reason."""
    body = {"scope": agent, "by": by, "reason": reason, "ends": list(codes), **more}
    gateway.write([Entry(kinds.REARM, gateway.venue.now_ns, agent=agent, body=body)])
