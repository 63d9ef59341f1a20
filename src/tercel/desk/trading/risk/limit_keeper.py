"""Limits in a session: reactions to crossings, and changes by people.

keeper.watch()                                           # every step: warnings are alerts, breaches kill and cancel
keeper.tighten({"agents.twap.order_lots": "100"}, "ann", "news")
number = keeper.request({"agents.twap.order_lots": "200"}, "ann", "it is over")
keeper.approve(number, "bob", "seen it")                 # another person, within a quarter of an hour, once
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from tercel.core.errors import LimitsError, OrderError, UnknownNameError, VenueError
from tercel.core.ports import Entry, Journal
from tercel.desk.limits import (
    EVERYBODY,
    Crossing,
    Limits,
    changed,
    check_names,
    from_json,
    hash_of,
    hash_of_json,
    limits_json,
    loosened,
    tightest,
    values_at,
)
from tercel.desk.limits.change import NEW, same_person, with_values
from tercel.desk.limits.watch import BLIND
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import LimitsEntry, OperatorEntry, OrderOutEntry
from tercel.desk.trading.journal.codec import entry_alert
from tercel.desk.trading.ledger import EXPIRES_NS, LimitRecord
from tercel.desk.trading.risk.kill_switch import Latch
from tercel.desk.trading.risk.trading_state import StateReason

WARN_EVERY_NS: Final = 5_000_000_000
"""Venue time between two looks at warning levels; breaches are looked for in every step."""
BY: Final = "limits"
"""Operator's name of a kill after a breach, in the latch's history."""
ALERTS: Final = {
    "warning": ("warning", "limit_warning"),
    "cleared": ("info", "limit_cleared"),
    "breach": ("critical", "limit_breach"),
}


class LimitKeeper:
    """A session's handling of its limits.

    Parameters
    ----------
    gateway : OrderGateway
    latch : Latch
        Engages after a breach; a person re-arms it.
    look : callable
        Ask the latch, and cancel what those have open whom it stops.
    """

    def __init__(self, gateway: OrderGateway, latch: Latch, look: Callable[[], object]) -> None:
        self._gateway = gateway
        self._latch = latch
        self._look = look
        self._warned_ns = 0

    @property
    def _now(self) -> int:
        return self._gateway.venue.now_ns

    # -- what limits notice ---------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Process crossings: kill and cancel on a breach, then journal them."""
        now = self._now
        warnings = now - self._warned_ns >= WARN_EVERY_NS
        if warnings:
            self._warned_ns = now
        with self._gateway.lock:
            found = self._gateway.limits.watch(now, warnings)
            states = self._gateway.states
            breaches = {
                agent: states.causes(StateReason.BREACH, agent)
                for agent in states.held(StateReason.BREACH)
            }
        if not (found or breaches):
            return
        entries = []
        for crossing in found:
            if crossing.agents:
                agents = () if EVERYBODY in crossing.agents else crossing.agents
                entries += self._engage(f"limit passed: {crossing.text}", now, agents)
            if crossing.limit == BLIND and crossing.event == "warning":
                with self._gateway.wire, suppress(VenueError):
                    self._gateway.venue.subscribe(crossing.name)  # the book may be right as a whole
        for agent, whys in breaches.items():
            if self._latch.killed(agent) is None:
                entries += self._engage("; ".join(whys.values()), now, (agent,))
        self._look()
        for agent, whys in breaches.items():
            for cause in whys:
                states.end(StateReason.BREACH, agent, cause)
        entries += [_alert(crossing, now) for crossing in found]
        self._gateway.write(entries)

    def _engage(self, why: str, now: int, agents: tuple[str, ...]) -> list[Entry]:
        """Engage the kill switch; the alert of a latch that cannot be written, which stops every agent here."""
        try:
            self._latch.kill(why, BY, now, agents)
        except OSError as error:
            return [entry_alert("critical", "kill_not_durable", f"{why}: {error.strerror}", now)]
        return []

    # -- what people change ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Limits in force as a session begins: the tighter of those given and those journaled.

        A file that allows more than what was in force is no way around the second person.
        """
        given: Limits = self._gateway.limits.limits
        record = self._gateway.ledger.limits
        limits, looser = given, []
        if record.in_force is not None:
            before = from_json(record.in_force)
            limits, looser = (
                tightest(before, given),
                with_values(before, given, loosened(before, given)),
            )
        self._gateway.limits.enforce(limits)
        if hash_of(limits) != record.hash:
            self._journal(limits, LimitsEntry(event="in_force", source=given.source))
        if looser:
            self._gateway.alert(
                "warning",
                "limits_file_looser",
                f"{given.source} allows more than was in force, which stays: {', '.join(looser)}; ask and approve",
            )

    def tighten(
        self, changes: Mapping[str, str], by: str, reason: str, operator: int | None = None
    ) -> str:
        """Tighten some limits at once; the hash of those then in force.

        Raises
        ------
        LimitsError
            For changes that no limit file could have.
        OrderError
            Where some of it allows more than before, or without a name and a reason. Nothing changes then.
        """
        _named(by, reason)
        before: Limits = self._gateway.limits.limits
        after = changed(before, changes)
        check_names(changes, self._gateway.limits.usage(), OrderError)
        if looser := loosened(before, after):
            raise OrderError(
                "limits that get tighter",
                f"{', '.join(looser)}, which would allow more",
                "request it; a second person approves it",
            )
        return self._enforce(
            after,
            LimitsEntry(
                event="tightened", changes=_texts(changes), by=by, reason=reason, operator=operator
            ),
        )

    def request(
        self, changes: Mapping[str, str], by: str, reason: str, operator: int | None = None
    ) -> int:
        """Request other limits, to be approved by another person within 15 minutes; the request's number.

        Raises
        ------
        LimitsError, OrderError
            As :meth:`tighten`, but that limits may get looser.
        """
        _named(by, reason)
        before: Limits = self._gateway.limits.limits
        looser = loosened(before, changed(before, changes))
        check_names(changes, self._gateway.limits.usage(), OrderError)
        with self._gateway.lock:
            number = self._gateway.ledger.last + 1
            body = LimitsEntry(
                event="requested",
                hash=self._gateway.limits.hash,
                changes=_texts(changes),
                by=by,
                reason=reason,
                request=number,
                looser=looser,
                was=values_at(self._gateway.limits.limits, changes),
                operator=operator,
            )
            self._gateway.write([Entry(kinds.LIMITS, self._now, body=body.json())])
        return number

    def approve(
        self,
        number: int,
        by: str,
        reason: str,
        operator: int | None = None,
        changes: Mapping[str, str] | None = None,
    ) -> str:
        """Put a request in force, once, by a second person; returns the hash of the limits then in force.

        The values must match: those that the second person has seen (`changes`, if given) are the requested ones, and the
        limits in force at these paths have not changed since the request.

        Raises
        ------
        OrderError
            For an unknown request, one that is over, was made by the same person, or is about other values.
        """
        _named(by, reason)
        asked = self._gateway.ledger.limits.requests.get(number)
        if asked is None or not asked.open(self._now):
            raise OrderError(
                "the number of a request",
                f"{number}, which is not waiting",
                f"ask again: a request is approved once, within {EXPIRES_NS // 10**9} s",
            )
        if same_person(asked.by, by):
            raise OrderError(
                f"another person than the requester, {asked.by}",
                by,
                "let another person approve it",
            )
        if changes is not None and dict(changes) != dict(asked.changes):
            raise OrderError(
                f"the values of request {number}: {_words(asked.changes)}",
                _words(changes),
                _ASK_AGAIN,
            )
        now = values_at(self._gateway.limits.limits, asked.changes)
        if now != asked.was:
            raise OrderError(
                f"limits as they were at the request: {_words(asked.was)}",
                _words(now),
                _ASK_AGAIN,
            )
        after = changed(self._gateway.limits.limits, asked.changes)
        return self._enforce(
            after,
            LimitsEntry(
                event="loosened",
                changes=dict(asked.changes),
                asked_by=asked.by,
                request=number,
                by=by,
                reason=reason,
                operator=operator,
            ),
        )

    def obey(self, said: OperatorEntry) -> None:
        """Carry out an operator's `limits` command: {"act": "tighten" | "request", "changes"} or {"act": "approve",
        "request", "changes": as the second person has seen them; may be left out}.

        Raises
        ------
        TercelError
            What cannot be done.
        """
        asked = said.asked()
        by, reason, number = said.by, said.reason, said.id
        if asked.act == "approve":
            self.approve(int(asked.request), by, reason, number, asked.changes)
        elif asked.changes is None:
            raise OrderError("limits to change", "none", "name limits and their new values")
        elif asked.act == "tighten":
            self.tighten(asked.changes, by, reason, number)
        elif asked.act == "request":
            self.request(asked.changes, by, reason, number)
        else:
            raise UnknownNameError(
                "what to do with limits", repr(asked.act), "tighten, request or approve"
            )

    def _enforce(self, limits: Limits, body: LimitsEntry) -> str:
        with self._gateway.lock:
            self._journal(limits, body)
            self._gateway.limits.enforce(limits)
        return body.hash

    def _journal(self, limits: Limits, body: LimitsEntry) -> None:
        body.hash = hash_of(limits)
        body.limits = limits_json(limits)
        self._gateway.write([Entry(kinds.LIMITS, self._now, body=body.json())])


_ASK_AGAIN: Final = "look at the limits in force, and ask again"


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path} = {value}" for path, value in values.items())


def _named(by: str, reason: str) -> None:
    for what, text in (("the name of a person", by), ("a reason", reason)):
        if not isinstance(text, str) or not text.strip():
            raise OrderError(what, repr(text), "give one: it is journaled")


def _alert(crossing: Crossing, now: int) -> Entry:
    severity, code = ALERTS[crossing.event]
    where = {"agents": ("", crossing.name), "instruments": (crossing.name, "")}.get(
        crossing.room, ("", "")
    )
    return entry_alert(severity, code, crossing.text, now, *where)


def audit_limits(journal: Journal) -> tuple[int, list[str]]:
    """Audit of limits in a journal: the number of orders, and those without the hash of the limits in force.

    Also listed: an entry of limits whose hash is not that of its limits; limits that were loosened by their requester, to other
    values than requested, or without a request. Orders from before the first entry of limits carry none.
    """
    record, orders, found = LimitRecord(), 0, []
    for seq, entry in journal.read(kinds=(kinds.LIMITS, kinds.ORDER_OUT)):
        if entry.kind == kinds.ORDER_OUT:
            out = OrderOutEntry.of(entry)
            orders += (changes := out.what in ("new", "quoted", "replace"))
            if changes and (out.limits or "") != record.hash:
                found.append(
                    f"entry {seq}: order {entry.order} says {out.limits}, not {record.hash}"
                )
            continue
        body = LimitsEntry.of(entry)
        found += [f"entry {seq}: {text}" for text in _not_agreed(record, body)]
        record.apply(entry)
        if body.limits is not None and (hash_ := hash_of_json(body.limits)) != body.hash:
            found.append(f"entry {seq}: limits are called {body.hash} and are {hash_}")
    return orders, found


def _not_agreed(record: LimitRecord, body: LimitsEntry) -> Iterator[str]:
    """Faults of an entry of limits: limits loosened without two persons, or to other values than requested."""
    if record.in_force is None or body.limits is None:
        return
    try:
        before, after = from_json(record.in_force), from_json(body.limits)
        if body.event != "loosened":
            more = with_values(
                before, after, [path for path in loosened(before, after) if not path.endswith(NEW)]
            )
            yield from (f"limits {body.event} allow more, without a request: {one}" for one in more)
            return
        asked = record.requests.get(body.request or 0)
        if asked is None or same_person(asked.by, body.by):
            yield "limits were loosened without two persons"
        elif hash_of(changed(before, asked.changes)) != hash_of(after):
            yield f"limits were loosened to other values than those of request {body.request}"
    except LimitsError as error:
        yield f"limits that cannot be compared: {error}"


def _texts(changes: Mapping[str, Any]) -> dict[str, str]:
    """Values as text, as a limit file has them: people may send numbers."""
    return {path: f"{value}" for path, value in changes.items()}
