"""Operators' commands of a session: the method that executes each command, by the command's name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tercel.core.errors import OrderError, UnknownNameError
from tercel.core.orders import VenueEvent
from tercel.core.ports import Entry
from tercel.desk.trading.journal.bodies import OperatorEntry
from tercel.desk.trading.journal.kinds import NOTED
from tercel.desk.trading.parent_orders.agent_holds import resume_agent, suspend_agent
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.manual import ManualTrading
from tercel.desk.trading.parent_orders.pairs import PairTrading
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.quote_requests import QuoteRequests
from tercel.desk.trading.reconciliation.positions import PositionKeeper
from tercel.desk.trading.risk.limit_keeper import LimitKeeper


@dataclass(frozen=True)
class CommandTargets:
    """Parts of a session that operators' commands act on.

    Parameters
    ----------
    manager, manual, quotes, pairs, limits, positions
    record_events : callable
        Feeds events to the session as if a venue had sent them.
    request : callable
        Makes the request for a parent order from a person's fields.
    """

    manager: ParentOrderManager
    manual: ManualTrading
    quotes: QuoteRequests
    pairs: PairTrading
    limits: LimitKeeper
    positions: PositionKeeper
    record_events: Callable[[Sequence[VenueEvent]], None]
    request: Callable[[Mapping[str, Any]], ParentRequest]


class OperatorCommands:
    """Executes the commands that operators post to a session.

    Parameters
    ----------
    targets : CommandTargets
    on_other : callable
        Called with the entry of a command that this class does not know; returns True if it has executed it.
    """

    def __init__(self, targets: CommandTargets, on_other: Callable[[Entry], bool]) -> None:
        self._targets = targets
        self._on_other = on_other
        self._handlers: dict[str, Callable[[OperatorEntry], None]] = {
            "submit": self._submit,
            "limits": self._change_limits,
            "settle": self._settle,
            "pause": self._pause,
            "resume": self._resume,
            "cancel": self._cancel,
            "amend": self._amend,
            "take_over": self._take_over,
            "give_back": self._give_back,
            "order": self._order,
            "withdraw": self._withdraw,
            "request_quotes": self._request_quotes,
            "accept_quote": self._accept_quote,
            "pass_quotes": self._pass_quotes,
            "pause_agent": self._pause_agent,
            "resume_agent": self._resume_agent,
        }

    def execute(self, entry: Entry) -> None:
        """Execute an operator's command about a parent, an agent or the session; others go to `on_other`, and those in `NOTED`
        need nothing.

        Raises
        ------
        UnknownNameError
            For a command that neither this class nor `on_other` knows.
        """
        operator_entry = OperatorEntry.of(entry)
        command = operator_entry.command
        handler = self._handlers.get(command)
        if handler is not None:
            handler(operator_entry)
        # Noted commands need no action: the latch was read before, an alert has an owner by the entry itself.
        elif command not in NOTED and not self._on_other(entry):
            raise UnknownNameError(
                "a command that this session knows",
                repr(command),
                f"one of {', '.join(self._handlers)}, own_alert",
            )

    def execute_late(self, entry: Entry) -> None:
        """Execute a command posted to an earlier session; orders and requests for quotes are refused: the market has moved."""
        if OperatorEntry.of(entry).command in ("order", "request_quotes", "accept_quote"):
            raise OrderError(
                "an order that is sent at once",
                "one sent to a session that has ended",
                "look at the market, then ask again",
            )
        self.execute(entry)

    def _submit(self, command: OperatorEntry) -> None:
        """Accept a parent order that a person posted, or a pair of parents."""
        targets = self._targets
        fields = {key: value for key, value in command.body.items() if key != "pair"}
        request = targets.request(fields)
        if (pair := command.body.get("pair")) is None:
            targets.manager.accept(request, operator=command.id)
        else:
            targets.pairs.accept(request, pair, command.id)

    def _change_limits(self, command: OperatorEntry) -> None:
        """Tighten limits, request others, or approve a request."""
        self._targets.limits.execute(command)

    def _settle(self, command: OperatorEntry) -> None:
        """Settle orders, executions or positions as a person declares, and feed the resulting events to the session."""
        self._targets.record_events(self._targets.positions.settle(command))

    def _pause(self, command: OperatorEntry) -> None:
        """Pause a parent."""
        self._targets.manager.pause(command.parse_body().parent, _reason_of(command), command.id)

    def _resume(self, command: OperatorEntry) -> None:
        """Resume a parent."""
        self._targets.manager.resume(command.parse_body().parent, _reason_of(command), command.id)

    def _cancel(self, command: OperatorEntry) -> None:
        """Cancel a parent."""
        self._targets.manager.cancel(command.parse_body().parent, _reason_of(command), command.id)

    def _amend(self, command: OperatorEntry) -> None:
        """Change lots, horizon or limit price of a parent."""
        args = command.parse_body()
        self._targets.manager.amend(
            args.parent,
            _reason_of(command),
            lots=args.lots,
            horizon_ns=args.horizon_ns,
            limit_price=args.limit_price,
            operator=command.id,
        )

    def _take_over(self, command: OperatorEntry) -> None:
        """Give a parent into the hands of the person."""
        parent = command.parse_body().parent
        self._targets.manual.take_over(parent, command.by, command.reason, command.id)

    def _give_back(self, command: OperatorEntry) -> None:
        """Give a parent back to its strategy."""
        parent = command.parse_body().parent
        self._targets.manual.give_back(parent, command.by, command.reason, command.id)

    def _order(self, command: OperatorEntry) -> None:
        """Send a manual order of a parent."""
        args = command.parse_body()
        self._targets.manual.order(args.parent, command.by, args.lots, args.limit_price, command.id)

    def _withdraw(self, command: OperatorEntry) -> None:
        """Cancel a manual order of a parent, or all of them."""
        args = command.parse_body()
        self._targets.manual.withdraw(args.parent, command.by, args.order, command.id)

    def _request_quotes(self, command: OperatorEntry) -> None:
        """Request quotes from dealers for lots of a parent."""
        args = command.parse_body()
        self._targets.quotes.request(
            args.parent,
            args.lots,
            args.dealers,
            args.seconds,
            hidden=args.hidden,
            by=command.by,
            operator=command.id,
        )

    def _accept_quote(self, command: OperatorEntry) -> None:
        """Send the order that takes a dealer's quote."""
        args = command.parse_body()
        self._targets.quotes.accept(str(args.request), args.quote, command.by, command.id)

    def _pass_quotes(self, command: OperatorEntry) -> None:
        """Decline quotes of a request."""
        args = command.parse_body()
        self._targets.quotes.pass_quotes(str(args.request), args.quotes, command.by, command.id)

    def _pause_agent(self, command: OperatorEntry) -> None:
        """Pause an agent and its parents."""
        agent = command.parse_body().agent or ""
        suspend_agent(self._targets.manager, agent, command.by, command.reason, command.id)

    def _resume_agent(self, command: OperatorEntry) -> None:
        """Resume an agent and the parents that were paused with it."""
        agent = command.parse_body().agent or ""
        resume_agent(self._targets.manager, agent, command.by, command.reason, command.id)


def _reason_of(command: OperatorEntry) -> str:
    """Reason of a command with the name of the person who gave it."""
    return f"{command.by}: {command.reason}"
