"""No interleaving of commands and reports passes a limit: every state is visited, and mutants are found."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from tests.desk.limits.interleavings import (
    Admission,
    Found,
    OrderModel,
    Seen,
    explore,
    make_gate,
)
from tests.desk.limits.test_gate import limits

from tercel.core.orders import (
    CancelOrder,
    ExecType,
    OrdStatus,
    ReplaceOrder,
    Report,
)
from tercel.desk.limits import LimitGate
from tercel.desk.limits.units import MONEY

MOST, REPORTS = 4, 8
MID = 101
_log = logging.getLogger(__name__)


class NewIsFree(LimitGate):
    """A new order reserves nothing until it is acknowledged."""

    def settle(self, order: Any) -> None:
        if order.base is not OrdStatus.PENDING_NEW or order.requested:
            super().settle(order)


class ReplaceIsFree(LimitGate):
    """A replace on its way reserves no lots."""

    def _count_sent(self, command: Any, ns: int) -> None:
        super()._count_sent(command, ns)
        if isinstance(command, ReplaceOrder):
            order = self.orders[command.orig]
            order.requested[command.cl_ord_id] = (order.turns, order.lots, command.price)
            self.settle(order)


class CancelFrees(LimitGate):
    """A cancel frees lots as it leaves."""

    def _count_sent(self, command: Any, ns: int) -> None:
        super()._count_sent(command, ns)
        if isinstance(command, CancelOrder) and not self.orders[command.orig].requested:
            self.orders[command.orig].base = OrdStatus.CANCELED
            self.settle(self.orders[command.orig])


class FillFreesReplaces(LimitGate):
    """A filled order keeps nothing of replaces on their way."""

    def settle(self, order: Any) -> None:
        if order.base is OrdStatus.FILLED:
            order.requested = {}
        super().settle(order)


class PartialFillFreesTwice(LimitGate):
    """A part that was filled is taken from what is reserved twice."""

    def _fold_fill(self, order: Any, report: Report) -> Any:
        alarm = super()._fold_fill(order, report)
        if report.leaves_qty:
            order.lots -= report.last_qty // 10**8
        return alarm


class RejectFreesAll(LimitGate):
    """A refused replace frees those sent with it, too."""

    def _drop_replace(self, name: str, orig: str, over: bool = False) -> None:
        order = self.orders.get(name)
        if order is not None and name in order.requested:
            order.requested = {}
        super()._drop_replace(name, orig, over)


class LateAcceptIsIgnored(LimitGate):
    """A replace that is accepted after the end of its order does not open it again."""

    def _fold_report(self, report: Report) -> Any:
        order = self.orders.get(report.cl_ord_id)
        if report.exec_type is ExecType.REPLACED and order is not None and not order.live:
            order.requested.pop(report.cl_ord_id, None)
            return self.settle(order)
        return super()._fold_report(report)


class ProbeAnswersLaterReplaces(LimitGate):
    """A cancel that an open order's venue refuses answers every replace."""

    def _drop_replace(self, name: str, orig: str, over: bool = False) -> None:
        order = self.orders.get(orig)
        if order is not None and name not in order.requested:
            order.requested = {}
        super()._drop_replace(name, orig, over)


MUTANTS = {
    "new": NewIsFree,
    "replace": ReplaceIsFree,
    "cancel": CancelFrees,
    "fill": FillFreesReplaces,
    "partial fill": PartialFillFreesTwice,
    "reject": RejectFreesAll,
    "late accept": LateAcceptIsIgnored,
    "refused cancel": ProbeAnswersLaterReplaces,
}


def keeps_lots(seen: Sequence[Seen], sides: Sequence[int]) -> bool:
    """Filled and open lots at the venue keep the limit, whichever of the open ones fill."""
    return sum(each.venue_cum + each.venue_open for each in seen) <= MOST


def crosses_nothing(seen: Sequence[Seen], sides: Sequence[int]) -> bool:
    """No own buy at the venue meets an own sell there."""
    resting = [(side, each.venue_price) for each, side in zip(seen, sides, strict=True) if each.venue_price]  # fmt: skip
    buys = [price for side, price in resting if side > 0]
    sells = [price for side, price in resting if side < 0]
    return not buys or not sells or max(buys) < min(sells)


def of_one(gate_type: type[LimitGate], limit: str, count: int, side: int = 1) -> Found:
    """A search over orders of one side under one limit: of position, gross value, or of their parent."""
    room, lots = limits(), 100
    if limit == "position":
        room = limits("agents", **{"long_lots" if side > 0 else "short_lots": MOST})
    elif limit == "gross":
        room = limits("desk", gross_value=MOST * MID * MONEY)
    else:
        lots = MOST
    model = OrderModel(gate_type, side, [1, 2, 3], [100 if side > 0 else 102])
    admission = Admission([model], partial(make_gate, gate_type, room, side, lots))
    return explore([model], [count], admission, keeps_lots, REPORTS)


@pytest.mark.parametrize("side", [1, -1])
def test_one_order_frees_all_once_all_is_answered_and_nothing_before(side: int) -> None:
    model = OrderModel(LimitGate, side, [1, 2, 3], [100])
    assert len(model.seen) > 100
    for seen, path in zip(model.seen, model.paths, strict=True):
        assert seen.cum == seen.venue_cum, path
        assert seen.reserved >= seen.may_open, path
        assert seen.waits or seen.reserved == seen.venue_open, path
        assert not (seen.settled and seen.may_open), path
        assert seen.waits or seen.venue_open or seen.settled or not path, path


@pytest.mark.long
@pytest.mark.parametrize("event", MUTANTS)
def test_a_mutant_is_found(event: str) -> None:
    found = of_one(MUTANTS[event], "position", 2)
    assert found.broken, found


@pytest.mark.long
@pytest.mark.parametrize("limit", ["position", "gross", "children"])
def test_no_interleaving_of_four_orders_passes_a_limit(limit: str) -> None:
    found = of_one(LimitGate, limit, 4)
    _log.info("%s: %s", limit, found)
    assert not found.broken, found.broken
    assert found.states > 100_000


@pytest.mark.long
def test_no_interleaving_lets_two_own_orders_meet() -> None:
    models = [OrderModel(LimitGate, side, [1], [100, 101]) for side in (1, -1)]
    admission = Admission(models, partial(make_gate, LimitGate, limits(), 1, 100))
    found = explore(models, [2, 2], admission, crosses_nothing, REPORTS)
    _log.info("own cross: %s", found)
    assert not found.broken, found.broken
    assert found.states > 100_000
