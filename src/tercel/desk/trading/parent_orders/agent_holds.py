"""Agents that a person pauses and resumes, with the parents that their strategies work."""

from tercel.core.errors import OrderError, refuse_if
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import HoldEntry, ParentEntry
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.parent import ParentStatus, entry_of
from tercel.desk.trading.risk.trading_state import Sender


def suspend_agent(
    manager: ParentOrderManager, agent: str, by: str, reason: str, operator: int
) -> None:
    """Pause an agent and all parents that its strategies work; it accepts no new ones.

    Raises
    ------
    OrderError
        For an agent that is not of this desk, or is paused.
    """
    gateway = manager.gateway
    agents = gateway.limits.agents
    refuse_if(
        agent not in agents,
        f"an agent of this desk: {', '.join(sorted(agents))}",
        repr(agent),
        "name one of them",
        OrderError,
    )
    hold = gateway.ledger.describe_hold(agent)
    refuse_if(hold, "an agent that is not paused", hold, "leave it", OrderError)
    ids = _journal_hold(manager, agent, "paused", by, reason, operator)
    for id_ in ids:
        if (executor := manager.executors.get(id_)) is not None and not executor.detach_reason:
            manager.send(executor, executor.pause(), sender=Sender.PERSON)


def resume_agent(
    manager: ParentOrderManager, agent: str, by: str, reason: str, operator: int
) -> None:
    """Resume a paused agent, and those parents that were paused with it and have time left.

    Raises
    ------
    OrderError
        When it is not paused, or is killed.
    """
    manager.require_not_killed(agent)
    refuse_if(
        agent not in manager.gateway.ledger.holds,
        "an agent that is paused",
        f"{agent}, which is not paused",
        "leave it; a parent that was paused by itself is resumed by its own id",
        OrderError,
    )
    for id_ in _journal_hold(manager, agent, "resumed", by, reason, operator):
        manager.resume_work(id_)


def _journal_hold(
    manager: ParentOrderManager, agent: str, event: str, by: str, reason: str, operator: int
) -> list[str]:
    """Journal the pause of an agent and its working parents, or the resumption of it and those paused with it that have time
    left; returns the parents' ids."""
    now = manager.gateway.venue.now_ns
    ledger = manager.gateway.ledger
    parents = [parent for parent in ledger.parents.open() if parent.order.agent == agent]
    if event == "paused":
        parents = [parent for parent in parents if parent.status == ParentStatus.WORKING]
    else:
        held_ids = HoldEntry.of(ledger.holds[agent]).parents
        waiting = [
            parent
            for parent in parents
            if parent.status == ParentStatus.PAUSED and parent.ends_ns > now
        ]
        parents = [parent for parent in waiting if parent.id in held_ids]
    parent_reason = f"its agent is {event} by {by}: {reason}"
    ids = [parent.id for parent in parents]
    hold_body = HoldEntry(event=event, by=by, reason=reason, parents=ids, operator=operator)
    body = ParentEntry(event, reason=parent_reason)
    entries = [entry_of(parent.id, body, now, parent.order.instrument, agent) for parent in parents]
    manager.gateway.write([Entry(kinds.HOLD, now, agent=agent, body=hold_body.json()), *entries])
    return ids
