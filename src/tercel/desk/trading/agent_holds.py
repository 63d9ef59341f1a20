"""Agents that a person paused: they take no parent, and none of theirs is worked, until a person says so.

A hold stands in the journal, with those of its parents that were paused with it, in one write; so it outlives the
session. Not to be confused with what limits stop (`trading.pauses`): a held agent's orders are in order.
"""

from tercel.core.errors import OrderError
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.manager import ParentOrderManager
from tercel.desk.trading.parents import ParentStatus, entry_of, marked
from tercel.desk.trading.state import Sender


def hold(manager: ParentOrderManager, agent: str, by: str, reason: str, operator: int) -> None:
    """Pause an agent, with every parent that its strategies work.

    Raises
    ------
    OrderError
        For an agent that is not of this desk, or is paused.
    """
    gateway = manager.gateway
    if agent not in gateway.limits.agents:
        known = ", ".join(sorted(gateway.limits.agents))
        raise OrderError(f"an agent of this desk: {known}", repr(agent), "name one of them")
    if held := gateway.ledger.held(agent):
        raise OrderError("an agent that is not paused", held, "leave it")
    ids = _write(manager, agent, "paused", by, reason, operator)
    for id_ in ids:
        if (executor := manager.executors.get(id_)) is not None and not executor.off:
            manager.send(executor, executor.pause(), sender=Sender.PERSON)


def let_go(manager: ParentOrderManager, agent: str, by: str, reason: str, operator: int) -> None:
    """Let a paused agent go on, with those of its parents that were paused with it and have time left; what was paused
    by itself waits until it is resumed itself.

    Raises
    ------
    OrderError
        When it is not paused, or is killed.
    """
    manager.must_live(agent)
    if agent not in manager.gateway.ledger.holds:
        raise OrderError(
            "an agent that is paused", agent, "see the page; parents are resumed one by one"
        )
    for id_ in _write(manager, agent, "resumed", by, reason, operator):
        manager.go_on(id_)


def _write(
    manager: ParentOrderManager, agent: str, event: str, by: str, reason: str, operator: int
) -> list[str]:
    """The hold's entry and those of its parents; which they are."""
    now, ledger = manager.gateway.venue.now_ns, manager.gateway.ledger
    parents = [one for one in ledger.parents.open() if one.order.agent == agent]
    if event == "paused":
        parents = [one for one in parents if one.status == ParentStatus.WORKING]
    else:
        held = ledger.holds[agent]["parents"]
        waits = [one for one in parents if one.status == ParentStatus.PAUSED and one.ends_ns > now]
        parents = [one for one in waits if one.id in held]
    why = f"its agent is {event} by {by}: {reason}"
    said = {"event": event, "by": by, "reason": reason, "parents": [one.id for one in parents]}
    entries = [
        entry_of(one.id, event, now, one.order.instrument, agent, reason=why) for one in parents
    ]
    manager.gateway.write(
        [marked(Entry(kinds.HOLD, now, agent=agent, body=said), operator), *entries]
    )
    return [one.id for one in parents]
