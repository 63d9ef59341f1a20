"""Limits in a session: alerts and kills when they are crossed, and changes by one or two persons; orders are checked by
`LimitGate`.

keeper.watch()                                           # every step: warnings are alerts, breaches kill and cancel
keeper.tighten({"agents.twap.order_lots": "100"}, "ann", "news")
number = keeper.request({"agents.twap.order_lots": "200"}, "ann", "it is over")
keeper.approve(number, "bob", "seen it")                 # another person, within a quarter of an hour, once
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from tercel.core.errors import LimitsError, OrderError, UnknownNameError, VenueError, refuse_if
from tercel.core.ports import Entry, Journal
from tercel.desk.limits import (
    EVERYBODY,
    Crossing,
    Limits,
    check_names,
    find_loosened,
    from_json,
    hash_of,
    hash_of_json,
    limits_json,
    tightest,
    values_at,
    with_changes,
)
from tercel.desk.limits.change import NEW, describe_changes
from tercel.desk.limits.persons import is_same_person
from tercel.desk.limits.watch import BLIND
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import LimitsEntry, OperatorEntry, OrderOutEntry
from tercel.desk.trading.journal.codec import entry_alert
from tercel.desk.trading.limit_record import EXPIRES_NS, LimitRecord
from tercel.desk.trading.risk.kill_switch import Latch, require_reason
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


_ASK_AGAIN: Final = "look at the limits in force, and ask again"


class LimitKeeper:
    """Limits of a session: alerts and kills when they are crossed, and changes by one or two persons.

    Parameters
    ----------
    gateway : OrderGateway
    latch : Latch
        Engages after a breach; a person re-arms it.
    poll_latch : callable
        Reads the kill latch, and cancels the open orders of killed agents.
    """

    def __init__(
        self, gateway: OrderGateway, latch: Latch, poll_latch: Callable[[], object]
    ) -> None:
        self._gateway = gateway
        self._latch = latch
        self._poll_latch = poll_latch
        self._warned_ns = 0

    @property
    def _now(self) -> int:
        """Venue time, ns."""
        return self._gateway.venue.now_ns

    def watch(self) -> None:
        """Alert on limit warnings, kill and cancel on breaches, and journal both."""
        now = self._now
        warnings = now - self._warned_ns >= WARN_EVERY_NS
        if warnings:
            self._warned_ns = now
        with self._gateway.lock:
            crossings = self._gateway.limits.watch(now, warnings)
            states = self._gateway.states
            breaches = {
                agent: states.causes(StateReason.BREACH, agent)
                for agent in states.texts_by_owner(StateReason.BREACH)
            }
        if not (crossings or breaches):
            return
        entries = []
        for crossing in crossings:
            if crossing.agents:
                agents = () if EVERYBODY in crossing.agents else crossing.agents
                entries += self._engage(f"limit passed: {crossing.text}", now, agents)
            if crossing.limit == BLIND and crossing.event == "warning":
                with self._gateway.wire, suppress(VenueError):
                    self._gateway.venue.subscribe(crossing.name)  # the book may be right as a whole
        for agent, texts in breaches.items():
            if self._latch.kill_reason(agent) is None:
                entries += self._engage("; ".join(texts.values()), now, (agent,))
        self._poll_latch()
        for agent, texts in breaches.items():
            for cause in texts:
                states.end(StateReason.BREACH, agent, cause)
        entries += [_crossing_alert(crossing, now) for crossing in crossings]
        self._gateway.write(entries)

    def _engage(self, reason: str, now: int, agents: tuple[str, ...]) -> list[Entry]:
        """Kill agents at the latch ((): all); returns an alert if the latch cannot be written."""
        try:
            self._latch.kill(reason, BY, now, agents)
        except OSError as error:
            return [entry_alert("critical", "kill_not_durable", f"{reason}: {error.strerror}", now)]
        return []

    def begin(self) -> None:
        """Put limits in force at a session's start: the tighter of those given and those in the journal.

        A file that allows more than what was in force is no way around the second person.
        """
        file_limits: Limits = self._gateway.limits.limits
        record = self._gateway.ledger.limits
        limits = file_limits
        looser = []
        if record.in_force is not None:
            before = from_json(record.in_force)
            limits = tightest(before, file_limits)
            looser = describe_changes(before, file_limits, find_loosened(before, file_limits))
        self._gateway.limits.enforce(limits)
        if hash_of(limits) != record.hash:
            self._journal(limits, LimitsEntry(event="in_force", source=file_limits.source))
        if looser:
            self._gateway.alert(
                "warning",
                "limits_file_looser",
                f"{file_limits.source} allows more than was in force, which stays: {', '.join(looser)}; ask and approve",
            )

    def tighten(
        self, changes: Mapping[str, str], by: str, reason: str, operator: int | None = None
    ) -> str:
        """Tighten some limits at once; returns the hash of the limits then in force.

        Raises
        ------
        LimitsError
            For changes that no limit file could have.
        OrderError
            Where some of it allows more than before, or without a name and a reason. Nothing changes then.
        """
        require_reason(reason, by, OrderError)
        before: Limits = self._gateway.limits.limits
        after = with_changes(before, changes)
        check_names(changes, self._gateway.limits.usage(), OrderError)
        if looser := find_loosened(before, after):
            raise OrderError(
                "limits that get tighter",
                f"{', '.join(looser)}, which would allow more",
                "request it; a second person approves it",
            )
        return self._enforce(
            after,
            LimitsEntry(
                event="tightened",
                changes=_to_texts(changes),
                by=by,
                reason=reason,
                operator=operator,
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
        require_reason(reason, by, OrderError)
        before: Limits = self._gateway.limits.limits
        looser = find_loosened(before, with_changes(before, changes))
        check_names(changes, self._gateway.limits.usage(), OrderError)
        with self._gateway.lock:
            number = self._gateway.ledger.last + 1
            body = LimitsEntry(
                event="requested",
                hash=self._gateway.limits.hash,
                changes=_to_texts(changes),
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
        require_reason(reason, by, OrderError)
        request = self._gateway.ledger.limits.requests.get(number)
        if request is None or not request.open(self._now):
            raise OrderError(
                "the number of a request",
                f"{number}, which is not waiting",
                f"ask again: a request is approved once, within {EXPIRES_NS // 10**9} s",
            )
        refuse_if(
            is_same_person(request.by, by),
            f"another person than the requester, {request.by}",
            by,
            "let another person approve it",
            OrderError,
        )
        if changes is not None and dict(changes) != dict(request.changes):
            raise OrderError(
                f"the values of request {number}: {_format_values(request.changes)}",
                _format_values(changes),
                _ASK_AGAIN,
            )
        current = values_at(self._gateway.limits.limits, request.changes)
        refuse_if(
            current != request.was,
            f"limits as they were at the request: {_format_values(request.was)}",
            _format_values(current),
            _ASK_AGAIN,
            OrderError,
        )
        after = with_changes(self._gateway.limits.limits, request.changes)
        return self._enforce(
            after,
            LimitsEntry(
                event="loosened",
                changes=dict(request.changes),
                asked_by=request.by,
                request=number,
                by=by,
                reason=reason,
                operator=operator,
            ),
        )

    def execute(self, operator_entry: OperatorEntry) -> None:
        """Execute an operator's `limits` command: tighten, request or approve.

        Raises
        ------
        TercelError
            What cannot be done.
        """
        args = operator_entry.parse_body()
        command = operator_entry.by, operator_entry.reason, operator_entry.id
        if args.act == "approve":
            self.approve(int(args.request), *command, args.changes)
        elif args.changes is None:
            raise OrderError("limits to change", "none", "name limits and their new values")
        elif args.act == "tighten":
            self.tighten(args.changes, *command)
        elif args.act == "request":
            self.request(args.changes, *command)
        else:
            raise UnknownNameError(
                "what to do with limits", repr(args.act), "tighten, request or approve"
            )

    def _enforce(self, limits: Limits, body: LimitsEntry) -> str:
        """Journal limits and put them in force; returns their hash."""
        with self._gateway.lock:
            self._journal(limits, body)
            self._gateway.limits.enforce(limits)
        return body.hash

    def _journal(self, limits: Limits, body: LimitsEntry) -> None:
        """Set limits and their hash in `body`, and write it as a `limits` entry; they are not put in force here."""
        body.hash = hash_of(limits)
        body.limits = limits_json(limits)
        self._gateway.write([Entry(kinds.LIMITS, self._now, body=body.json())])


def _format_values(values: Mapping[str, Any]) -> str:
    """Values by path as text, for people."""
    return ", ".join(f"{path} = {value}" for path, value in values.items())


def _crossing_alert(crossing: Crossing, now: int) -> Entry:
    """Alert entry of a limit that was crossed or is nearly used up."""
    severity, code = ALERTS[crossing.event]
    subject = {"agents": ("", crossing.name), "instruments": (crossing.name, "")}.get(
        crossing.room, ("", "")
    )
    return entry_alert(severity, code, crossing.text, now, *subject)


def audit_limits(journal: Journal) -> tuple[int, list[str]]:
    """Audit a journal's limits: the number of orders and replaces, and texts on orders and changes that were not allowed.

    Also listed: an entry of limits whose hash is not that of its limits; limits that were loosened by their requester, to other
    values than requested, or without a request. Orders from before the first entry of limits carry none.
    """
    record = LimitRecord()
    orders = 0
    faults = []
    for seq, entry in journal.read(kinds=(kinds.LIMITS, kinds.ORDER_OUT)):
        if entry.kind == kinds.ORDER_OUT:
            order_out = OrderOutEntry.of(entry)
            orders += (changes := order_out.what in ("new", "quoted", "replace"))
            if changes and (order_out.limits or "") != record.hash:
                faults.append(
                    f"entry {seq}: order {entry.order} says {order_out.limits}, not {record.hash}"
                )
            continue
        body = LimitsEntry.of(entry)
        faults += [f"entry {seq}: {text}" for text in _audit_change(record, body)]
        record.apply(entry)
        if body.limits is not None and (hash_ := hash_of_json(body.limits)) != body.hash:
            faults.append(f"entry {seq}: limits are called {body.hash} and are {hash_}")
    return orders, faults


def _audit_change(record: LimitRecord, body: LimitsEntry) -> Iterator[str]:
    """Texts on what is wrong with a change of limits: loosened without two persons, or to values not requested."""
    if record.in_force is None or body.limits is None:
        return
    try:
        before = from_json(record.in_force)
        after = from_json(body.limits)
        if body.event != "loosened":
            loosened_paths = describe_changes(
                before,
                after,
                [path for path in find_loosened(before, after) if not path.endswith(NEW)],
            )
            yield from (
                f"limits {body.event} allow more, without a request: {path_text}"
                for path_text in loosened_paths
            )
            return
        request = record.requests.get(body.request or 0)
        if request is None or is_same_person(request.by, body.by):
            yield "limits were loosened without two persons"
        elif hash_of(with_changes(before, request.changes)) != hash_of(after):
            yield f"limits were loosened to other values than those of request {body.request}"
    except LimitsError as error:
        yield f"limits that cannot be compared: {error}"


def _to_texts(changes: Mapping[str, Any]) -> dict[str, str]:
    """Values as text, as a limit file has them: people may send numbers."""
    return {path: f"{value}" for path, value in changes.items()}
