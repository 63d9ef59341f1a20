"""Operators' commands of a session: what each command does, by its name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tercel.core.errors import OrderError, UnknownNameError, refuse_if
from tercel.core.orders import VenueEvent
from tercel.core.ports import Entry
from tercel.desk.trading.journal.bodies import CommandBody, OperatorEntry
from tercel.desk.trading.journal.kinds import NOTED
from tercel.desk.trading.parent_orders.agent_holds import resume_agent, suspend_agent
from tercel.desk.trading.parent_orders.manager import ParentOrderManager
from tercel.desk.trading.parent_orders.manual import ManualTrading
from tercel.desk.trading.parent_orders.pairs import PairTrading
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
    """

    manager: ParentOrderManager
    manual: ManualTrading
    quotes: QuoteRequests
    pairs: PairTrading
    limits: LimitKeeper
    positions: PositionKeeper
    record_events: Callable[[Sequence[VenueEvent]], None]


def _reason_of(command: OperatorEntry) -> str:
    """Reason of a command with the name of the person who gave it."""
    return f"{command.by}: {command.reason}"


_Action = Callable[[CommandTargets, OperatorEntry, CommandBody], object]
_ACTIONS: Final[Mapping[str, _Action]] = {
    # limits, and orders, executions or positions that a person declares to be over
    "limits": lambda to, command, _: to.limits.execute(command),
    "settle": lambda to, command, _: to.record_events(to.positions.settle(command)),
    # parents
    "pause": lambda to, command, args: to.manager.pause(
        args.parent, _reason_of(command), command.id
    ),
    "resume": lambda to, command, args: to.manager.resume(
        args.parent, _reason_of(command), command.id
    ),
    "cancel": lambda to, command, args: to.manager.cancel(
        args.parent, _reason_of(command), command.id
    ),
    "amend": lambda to, command, args: to.manager.amend(
        args.parent,
        _reason_of(command),
        lots=args.lots,
        horizon_ns=args.horizon_ns,
        limit_price=args.limit_price,
        operator=command.id,
    ),
    # parents in the hands of a person, and their manual orders
    "take_over": lambda to, command, args: to.manual.take_over(
        args.parent, command.by, command.reason, command.id
    ),
    "give_back": lambda to, command, args: to.manual.give_back(
        args.parent, command.by, command.reason, command.id
    ),
    "order": lambda to, command, args: to.manual.order(
        args.parent, command.by, args.lots, args.limit_price, command.id
    ),
    "withdraw": lambda to, command, args: to.manual.withdraw(
        args.parent, command.by, args.order, command.id
    ),
    # requests for quotes
    "request_quotes": lambda to, command, args: to.quotes.request(
        args.parent,
        args.lots,
        args.dealers,
        args.seconds,
        hidden=args.hidden,
        by=command.by,
        operator=command.id,
    ),
    "accept_quote": lambda to, command, args: to.quotes.accept(
        str(args.request), args.quote, command.by, command.id
    ),
    "pass_quotes": lambda to, command, args: to.quotes.pass_quotes(
        str(args.request), args.quotes, command.by, command.id
    ),
    # agents with their parents
    "pause_agent": lambda to, command, args: suspend_agent(
        to.manager, args.agent or "", command.by, command.reason, command.id
    ),
    "resume_agent": lambda to, command, args: resume_agent(
        to.manager, args.agent or "", command.by, command.reason, command.id
    ),
}
"""What a command does with the parts of the session, its entry and its arguments; `submit` takes other arguments."""


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
        if command == "submit":
            self._submit(operator_entry)
        elif (act := _ACTIONS.get(command)) is not None:
            act(self._targets, operator_entry, operator_entry.parse_body())
        # Noted commands need no action: the latch was read before, an alert has an owner by the entry itself.
        elif command not in NOTED and not self._on_other(entry):
            raise UnknownNameError(
                "a command that this session knows",
                repr(command),
                f"one of submit, {', '.join(_ACTIONS)}, own_alert",
            )

    def execute_late(self, entry: Entry) -> None:
        """Execute a command posted to an earlier session; orders and requests for quotes are refused: the market has moved."""
        refuse_if(
            OperatorEntry.of(entry).command in ("order", "request_quotes", "accept_quote"),
            "an order that is sent at once",
            "one sent to a session that has ended",
            "look at the market, then ask again",
            OrderError,
        )
        self.execute(entry)

    def _submit(self, command: OperatorEntry) -> None:
        """Accept a parent order that a person posted, or a pair of parents."""
        targets = self._targets
        fields = {key: value for key, value in command.body.items() if key != "pair"}
        request = targets.manager.make_request(fields)
        if (pair := command.body.get("pair")) is None:
            names_strategy = bool(fields.get("strategy"))
            drawn = request if names_strategy else targets.manager.assign(request)
            targets.manager.accept(drawn, operator=command.id)
        else:
            targets.pairs.accept(request, pair, command.id)
