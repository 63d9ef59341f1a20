"""The console's kill action: engage the kill switches of desks, then report what each desk did, from its journal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tercel.api.console.connected import ConnectedDesk, Desks
from tercel.api.console.guard import HttpError
from tercel.api.console.models import Done, KillBody, NotDone
from tercel.core.errors import suggest_name
from tercel.core.ports import Entry
from tercel.desk.trading.journal import bodies as entries, kinds


@dataclass
class ActResults:
    """Results of several actions: texts of what was done, and of what was not done."""

    done: list[str] = field(default_factory=list)
    not_done: list[NotDone] = field(default_factory=list)

    def answer(self, status: int = 409) -> Done:
        """Response with both lists; an `HttpError` of that status if nothing was done."""
        if not self.done and self.not_done:
            refusal = self.not_done[0]
            raise HttpError(status, refusal.what, refusal.why, "look at the page, then try again")
        return Done(done=self.done, not_done=self.not_done)


def kill(desks: Desks, payload: KillBody, by: str) -> Done:
    """Engage the kill switches of all targets, then report what each desk did within `LATCHED_S`.

    What exists is killed whatever else was named. A journal that cannot be read or written is no reason to wait.
    """
    names = [payload.name] if isinstance(payload.name, str) else list(payload.name or [])
    if payload.scope != "all" and not names:
        raise HttpError(
            422, f"the name of the {payload.scope} to stop", "none", 'give one, or {"scope": "all"}'
        )
    results = ActResults()
    targets = _targets(desks, payload, names)
    latched = list[tuple[ConnectedDesk, list[str], int]]()
    for desk_name, agents in targets.items():
        served = desks[desk_name]
        last_seq = served.desk.last_seq() if not served.follower.fault else 0
        try:
            served.desk.kill(agents, by, payload.reason)
        except OSError as error:  # safe: readers take an unwritable latch as a kill
            results.not_done.append(NotDone(what=f"kill {desk_name} durably", why=str(error)))
        latched.append((served, agents, last_seq))
    for served, agents, last_seq in latched:
        note_error = served.desk.note("kill", {"agents": agents}, by, payload.reason)
        results.done += _describe_kill(served, agents, last_seq, note_error)
    for name in _missing(payload, names, targets):
        candidates = (
            list(desks)
            if payload.scope == "desk"
            else sorted({agent for desk in desks.values() for agent in desk.agents()})
        )
        reason = f"unknown; {suggest_name(name, candidates, 'there are ' + ', '.join(candidates))}"
        results.not_done.append(NotDone(what=f"kill {payload.scope} {name}", why=reason))
    return results.answer(404)


def _targets(desks: Desks, payload: KillBody, names: Sequence[str]) -> dict[str, list[str]]:
    """Agents to kill by desk, [] for all of a desk; an agent that no desk has goes to desks whose agents are not known."""
    if payload.scope == "all":
        return {name: [] for name in desks}
    if payload.scope == "desk":
        return {name: [] for name in names if name in desks}
    candidates = [desks.of(payload.desk)] if payload.desk else list(desks.values())
    blind_desks = [
        desk.name for desk in candidates if desk.blind
    ]  # its agents are unknown: a kill of too many is safe
    agents_by_desk = {
        desk.name: [name for name in names if name in desk.agents()] for desk in candidates
    }
    known_agents = {name for agents in agents_by_desk.values() for name in agents}
    for desk_name in blind_desks:
        agents_by_desk[desk_name] += [name for name in names if name not in known_agents]
    return {name: agents for name, agents in agents_by_desk.items() if agents}


def _missing(
    payload: KillBody, names: Sequence[str], targets: Mapping[str, Sequence[str]]
) -> list[str]:
    """Names in the request that are not among the targets; none for scope "all"."""
    if payload.scope == "all":
        return []
    reached = (
        set(targets)
        if payload.scope == "desk"
        else {agent for agents in targets.values() for agent in agents}
    )
    return [name for name in names if name not in reached]


def _describe_kill(
    served: ConnectedDesk, agents: Sequence[str], last_seq: int, note_error: str
) -> list[str]:
    """Sentences on the result of a kill by agent, from the kill entries of the desk's journal after `last_seq`.
    `note_error`: error for which the kill could not be noted in the desk's inbox, or "".
    """
    agents_text = ", ".join(agents) or "every agent"
    if note_error:
        return [
            f"{served.name}: {agents_text} latched; its journal does not know of it yet: {note_error}"
        ]

    def enough(kill_entries: Sequence[Entry]) -> bool:
        """Whether the last kill entry of every agent is a confirmation."""
        last_events = {entry.agent: entries.KillEntry.of(entry).event for entry in kill_entries}
        return (
            bool(last_events)
            and set(agents) <= set(last_events)
            and set(last_events.values()) <= {"confirmed"}
        )

    kill_entries = served.wait(last_seq, (kinds.KILL,), enough)
    outcomes = {}
    for entry in kill_entries:
        if not agents or entry.agent in agents:
            body = entries.KillEntry.of(entry)
            confirmed_text = "nothing open at the venue"
            outcomes[entry.agent] = (
                confirmed_text
                if body.event == "confirmed"
                else f"{body.open:,} lots are being cancelled"
            )
    messages = [
        f"{served.name}: {agent} killed, {outcome}" for agent, outcome in sorted(outcomes.items())
    ]
    silent_agents = [agent for agent in agents if agent not in outcomes] or (
        [] if outcomes else [agents_text]
    )
    is_running = served.desk.lock_holder() != ""
    reason = (
        "the desk has not spoken of it yet"
        if is_running
        else "the desk is not running; it starts killed"
    )
    return messages + [
        f"{served.name}: {agent} latched, nothing new leaves; {reason}" for agent in silent_agents
    ]
