"""Counting of the venue's reports: fills, ends, replaces, busts and corrections; alarms for impossible ones.

A report's time orders it among the reports of its order; the trading day comes from the clock alone. Its lots are always
booked; if the report contradicts the order's terms, the agent is stopped.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from tercel.core.executions import Execution, Key, strange
from tercel.core.lifecycle import ChildOrder, moved, recounted
from tercel.core.orders import ONE, REBOOKS, ExecType, OrdStatus, Report, ceiled, text
from tercel.desk.limits.file import WHOLE
from tercel.desk.limits.state import (
    AT_ANY_PRICE,
    NEVER_NS,
    AgentState,
    Alarm,
    Doubt,
    Filled,
    Holding,
    LimitCounts,
    OpenOrder,
    ParentLimit,
)


class PastCounts(LimitCounts):
    """Mixin that archives and restores the counts of finished parents."""

    def retire(self, parent: str, names: Sequence[str], executions: Sequence[Key]) -> None:
        """Archive a parent's counts, unless lots of it are still reserved.

        Parameters
        ----------
        parent : str
        names : sequence of str
            Every name that its orders ever had.
        executions : sequence of (account, order, name)
        """
        orders = [order for name in names if (order := self.orders.get(name)) is not None]
        if any(order.open_qty or order.live for order in orders):
            return
        for name in names:
            self.orders.pop(name, None)
            self.names.discard(name)
        for key in executions:
            self.executions.forget(key)
        self.parents.pop(parent, None)

    def recall(
        self,
        parent: Any,
        orders: Iterable[tuple[ChildOrder, Sequence[str]]],
        executions: Iterable[tuple[str, str, Execution[Any]]],
    ) -> None:
        """Restore an archived parent; nothing of it is reserved, so no limit comes nearer.

        Parameters
        ----------
        parent : ParentOrder
            As `trading.parent_orders.parent` has it.
        orders : iterable of (ChildOrder, names)
            With every name of each.
        executions : iterable of (order, name, Execution)
            The current executions, by every name.
        """
        asked = parent.order
        holding = self.holdings.get((asked.agent, asked.instrument))
        if holding is None or parent.id in self.parents:
            return
        mine = self.parents[parent.id] = ParentLimit(parent.id, holding, asked.side, parent.lots)
        roots: dict[str, OpenOrder] = {}
        for order, names in orders:
            one = roots[order.root] = _ended(order, holding, mine)
            mine.used += one.cum_qty
            self.orders |= dict.fromkeys(names, one)
            self.names.update(names)
        taken: dict[int, Execution[Filled]] = {}
        for root, name, booked in executions:
            owner = roots.get(root), holding, asked.side, booked.px, f"{root}:{name}"
            one_more = Execution(owner, booked.qty, booked.px, booked.changed)
            self.executions.recall(
                (asked.agent, root, name), taken.setdefault(id(booked), one_more)
            )


def _ended(order: ChildOrder, holding: Holding, parent: ParentLimit) -> OpenOrder:
    price = AT_ANY_PRICE * order.side if order.price is None else order.price
    one = OpenOrder(order.root, holding, parent, order.side, order.lots, price)
    one.base = order.base
    one.cum_qty = order.cum_qty
    one.counted_qty = order.counted_qty
    one.worst = AT_ANY_PRICE * order.side  # which prices it had before is not remembered
    one.changed_ns = order.replaced_ns or NEVER_NS
    one.recounted_ns = order.recounted_ns or NEVER_NS
    return one


# -- reports ----------------------------------------------------------------------------------------------------------
PAUSES: Final = frozenset({"STRANGE_FILL", "FILL_PRICE", "FILL_SIDE", "ENLARGED"})
"""Alarms over which an agent stops until positions agree with the venue's: it was reported without a request."""
# Members of an enumeration by name take a quarter of a microsecond each: those that every report is held against.
_REJECTED, _REPLACED = OrdStatus.REJECTED, ExecType.REPLACED
_RESTATED, _TRADE = ExecType.RESTATED, ExecType.TRADE


class ReportedCounts(PastCounts):
    """Mixin that updates counts from the venue's reports."""

    def report(self, report: Report, now_ns: int | None = None) -> Alarm | None:
        """Count an execution report; an impossible one is booked as far as it can be, and alarmed.

        It comes at `now_ns` by the clock, and is of no later time, whatever it says. Without `now_ns` no day begins.
        """
        if now_ns is not None:
            self.tell(now_ns)
            # A time to come, taken at its word, would make all later reports look old.
            report = report if report.ns <= now_ns else replace(report, ns=now_ns)
        alarm: Alarm | None = self._fold(self._report, report)
        return alarm

    def implausible(self, report: Report) -> tuple[tuple[str, str], str, dict[str, Any]] | None:
        """Details of an execution if its report, bust or correction is implausible: its instrument and agent, the figures,
        {"execution": its name, "reference": the mid, 10^-8 of a tick, 0 before any mark}. None if it is plausible. Called
        before a report is counted.

        An execution is compared with the mid; before any mark, with the worst price of its order. Before any mark an
        execution of a market order or of no known order is implausible, and lots beyond the order's always are. A correction
        is compared with the first price of the corrected execution; if it changes the lots, and for a bust, the first, the
        last and the new price are compared with the mid. A doubted execution stays doubted, whatever is reported of it.
        """
        kind, (order, account, root) = report.exec_type, self._owner_of(report)
        trade, busted, px = kind is ExecType.TRADE, kind is ExecType.BUSTED, report.last_px
        ref = report.exec_id if trade else report.ref
        one = self.executions.find(account, root, ref)
        holding = (
            self.holdings.get((account, report.instrument)) if order is None else order.holding
        )
        if (
            holding is None
            or not (trade or kind in REBOOKS)
            or (busted if one is None else trade or not one.qty)
        ):
            return None
        new = order, holding, report.side, px, _name((account, root, ref), None)
        # Its correction may have come before it.
        current = one or self.executions.as_booked((account, root, ref), new, report.last_qty, px)
        _, holding, _, first, name = current.owner
        name = _name((account, root, ref), current.changed) if trade else name
        at, doubted = holding.instrument, (account, name) in self.doubts
        mid, band = at.mid2 * ONE // 2, at.limits.fill_band_bps
        if at.sane_ns == NEVER_NS:
            mid = 0 if order is None or abs(order.worst) == AT_ANY_PRICE else order.worst * ONE
        pairs = [(px, first)] if one is not None and not busted else []
        if one is None or busted or report.last_qty != one.qty:
            pairs += [(each, mid) for each in (first, current.px, *((px,) if not busted else ()))]
        far = [(p, of) for p, of in pairs if p <= 0 or abs(p - of) * WHOLE > band * of]
        lots = current.qty if one is None else report.last_qty - one.qty
        excess = not busted and order is not None and lots > order.most_lots * ONE - order.cum_qty
        if not (far or doubted or excess):
            return None
        px, reference = (far or pairs)[0]
        what = f"{kind} {name} at {text(px)}: reference={text(reference)} limit_bps={band}"
        marked = at.sane_ns != NEVER_NS
        # A fold may meet it before any market. Those of no known order before any mark are mostly older than the session:
        # they bring no gain, and their agent waits until positions agree, not for a person's word on each.
        stops = {"stops": "until a person confirms it"} if marked or order is not None else {}
        return (
            (at.name, account),
            what,
            {"execution": name, "reference": mid if marked else 0, **stops},
        )

    def doubt(self, agent: str, instrument: str, name: str, reference: int) -> None:
        """Count an execution, and later reports of it, so that it brings no gain at a reference price."""
        if (holding := self.holdings.get((agent, instrument))) is not None:
            self.doubts.setdefault((agent, name), Doubt(holding)).reference = reference

    def hold(self, key: tuple[str, str], gain: int, qty: int, before: int = 0) -> None:
        """Hold back the gain of a doubted report of signed lots, and the gain of earlier reports."""
        if (doubt := self.doubts.get(key)) is not None:
            at = doubt.holding.instrument
            doubt.position += 0 if doubt.reference else qty
            gain += qty * (2 * doubt.reference - at.mid2 * ONE) * at.unit if doubt.reference else 0
            doubt.hold(gain if doubt.day_ends_ns else gain + before)
            doubt.day_ends_ns = doubt.day_ends_ns or self.day_ends_ns

    def trust(self, agent: str, name: str) -> None:
        """Count an execution at its own price, as a person confirmed it. Unknown: ignored."""
        if (doubt := self.doubts.pop((agent, name), None)) is not None:
            # What was made on an earlier day is no profit of this one, which would forgive its loss.
            held, past = doubt.held, doubt.held * (doubt.day_ends_ns < self.day_ends_ns)
            for scope in doubt.holding.scopes:
                scope.equity = scope.equity + held
                scope.opening = scope.opening + past
                scope.high = scope.high + past
                scope.sink()

    def _owner_of(self, report: Report) -> tuple[OpenOrder | None, str, str]:
        """The order of a report, with the account and the order's name that identify its executions."""
        order = self.orders.get(report.cl_ord_id) or self.orders.get(report.orig)
        instrument = report.instrument or (
            order.holding.instrument.name if order else ""
        )  # unknown orders have none
        # A report with an order's name and another account or instrument is not of that order.
        if order is not None and self.holdings.get((report.account, instrument)) is order.holding:
            return order, order.holding.agent.name, order.root
        ref = report.ref if report.exec_type in REBOOKS else ""
        return (
            None,
            report.account,
            (ref and self.executions.order_of(report.account, ref)) or strange(report),
        )

    def _fold(self, change: Callable[..., Any], *arguments: Any) -> Any:
        """Change the counts; if that fails they are wrong, and nothing new leaves any more."""
        try:
            return change(*arguments)
        except Exception as error:
            # Half a change may have been made: counts that may be too low let nothing more out.
            self.fault = self.fault or f"{type(error).__name__}: {error} at {arguments[0]!r}"
            return Alarm("COUNTS_BROKEN", self.fault)

    def _report(self, report: Report) -> Alarm | None:
        order, account, root = self._owner_of(report)
        if report.exec_type in REBOOKS:
            return self._rebooked(order, account, root, report)
        if order is None:
            return self._strange(report)
        name, kind, alarm = report.cl_ord_id, report.exec_type, None
        if report.status is _REJECTED:
            of_replace = order.requested if kind in (ExecType.REJECTED, ExecType.STATUS) else {}
            if of_replace.pop(name, None) is not None:
                self.settle(order)
                return None
            # Its lots stay reserved: an order that was accepted once may have filled.
            if order.base not in (OrdStatus.PENDING_NEW, OrdStatus.REJECTED):
                alarm = Alarm("CONTRADICTION", f"order={name} was accepted and is now rejected")
        elif kind is _REPLACED and name != order.root and self.orders.get(name) is order:
            alarm = self._replaced(order, report)
        elif kind is _REPLACED:  # a replace without a request is a restatement
            report = replace(report, exec_type=_RESTATED)
            alarm = self._restated(order, report)
        elif kind is _RESTATED:
            alarm = self._restated(order, report)
        if kind is _TRADE:
            alarm = self._filled(order, report) or alarm
        return self._counted(order, report) or alarm

    def _counted(self, order: OpenOrder, report: Report) -> Alarm | None:
        """Fold a report's status and counts: quantity counted as filled stays reserved until its fill comes, and older
        counts no longer hold."""
        alarm, most = None, order.most_lots
        counts = recounted(order.counted_qty, order.recounted_ns, report)
        counted, since_ns = order.counted_qty, order.recounted_ns = counts
        before = order.base
        order.base = moved(
            before, report, order.cum_qty, counted, most, order.ended_ns, since_ns, cautious=True
        )
        if order.base is not before:
            # A cancel that was sent while it had ended says nothing of a later end.
            order.probes.clear()
            order.ended_ns = NEVER_NS if order.live else report.ns
        if report.ns >= since_ns and counted > most * ONE:
            what = f"cum={text(counted)} lots={most}"
            alarm = self._stop(order.holding.agent, "OVERFILL", what, report)
        self.settle(order)
        return alarm

    def _replaced(self, order: OpenOrder, report: Report) -> Alarm | None:
        """Fold an accepted replace. One requested before another already accepted changes nothing, unless its report is
        later than the last change; one dated before that counts if it is larger, as the venue's clock may have been put
        back."""
        most, requested = order.most_lots, order.requested.pop(report.cl_ord_id, None)
        if requested is None:
            return None
        turn, lots, price = requested
        # By the order in which they were sent: answers to replaces may overtake one another.
        if turn <= order.taken:
            if report.leaves_qty > 0 and report.ns == order.changed_ns:
                order.lots = max(order.lots, report.lots)  # which came last is not known
            if report.leaves_qty <= 0 or report.ns <= order.changed_ns:
                return None
            # The venue took them in another order: its report alone says how large the order is now.
            lots = 0 if report.lots else order.lots
        order.taken = max(order.taken, turn)
        order.name = report.cl_ord_id
        lots = max(lots, report.lots, ceiled(report.cum_qty))
        return self._resized(order, report, most, lots, price)

    def _restated(self, order: OpenOrder, report: Report) -> Alarm | None:
        """Fold a size or price that the venue changed without a request."""
        if report.ns < order.changed_ns:
            return None
        lots = max(report.lots or order.lots, ceiled(report.cum_qty))
        price = order.price if report.price is None else report.price
        return self._resized(order, report, order.most_lots, lots, price)

    def _resized(
        self, order: OpenOrder, report: Report, most: int, lots: int, price: int
    ) -> Alarm | None:
        """Change size and price as of a report; an order larger than requested counts at its reported size."""
        if report.ns < order.changed_ns:
            order.lots = max(lots, order.lots)
        else:
            order.changed_ns = report.ns
            order.price = price
            order.lots = lots
        if order.lots <= most:
            return None
        return self._stop(
            order.holding.agent, "ENLARGED", f"lots={order.lots} requested={most}", report
        )

    def _filled(self, order: OpenOrder, report: Report) -> Alarm | None:
        key = order.holding.agent.name, order.root, report.exec_id
        # A venue that repeats executions after an outage repeats them to the counts too.
        if self.executions.find(*key) is not None:
            return None
        if (
            type(report.last_qty) is not int
            or report.last_qty <= 0
            or type(report.last_px) is not int
        ):
            raise ValueError(f"a fill of {report.last_qty!r} at {report.last_px!r}")
        holding = order.holding
        owner = order, holding, order.side, report.last_px, f"{order.root}:{report.exec_id}"
        one = self.executions.book(key, owner, report.last_qty, report.last_px)
        qty, within = (
            one.qty,
            min(one.qty, order.open_qty),
        )  # less, where its bust or correction came before it
        order.cum_qty += qty
        order.open_qty -= within
        order.parent.open_qty -= within
        # What was reserved is counted already; only a fill beyond it is new to the parent.
        order.parent.used += qty - within
        self.reserve(holding, order.side, -within)
        self._weigh(one, key)
        repeated = self._repeated(holding, order.side, report)
        # Booked first, alarmed then: the position is as large as the venue says, whether it was ordered or not.
        if within < qty:
            return self._stop(
                holding.agent, "OVERFILL", f"lots={text(qty)} open={text(within)}", report
            )
        if not report.exec_id:
            return self._stop(holding.agent, "NO_EXEC_ID", f"lots={text(qty)}", report)
        return self._not_asked(order, report) or repeated

    def _weigh(self, one: Execution[Filled], key: Key) -> None:
        """Fill an execution just booked, and hold back the gain if it, or a correction that came before it, is doubted.
        Executions of one order without a name are one, and no loss of one offsets another's gain."""
        _, holding, side, _, _ = one.owner
        gain = self.fill(holding, side, one.qty, one.px)
        self.hold(
            (key[0], _name(key, one.changed)), gain if key[2] else max(gain, 0), side * one.qty
        )

    def _not_asked(self, order: OpenOrder, report: Report) -> Alarm | None:
        """Alarm of a fill outside the order's terms: on the other side, or beyond every price of the order."""
        if report.side == -order.side:
            return self._stop(
                order.holding.agent,
                "FILL_SIDE",
                f"side={report.side:+d} requested={order.side:+d}",
                report,
            )
        if order.side * report.last_px > order.side * order.worst * ONE:
            return self._stop(
                order.holding.agent,
                "FILL_PRICE",
                f"price={text(report.last_px)} requested={order.worst}",
                report,
            )
        return None

    def _repeated(self, holding: Holding, side: int, report: Report) -> Alarm | None:
        """Count an execution; one too many of a side in a window stops the agent."""
        agent = holding.agent
        most = agent.limits.executions
        if not most or (many := holding.executed(side, report.ns)) <= most or agent.repeated:
            return None
        agent.repeated = f"{holding.instrument.name} {side:+d}"
        return self._stop(
            agent,
            "EXECUTIONS",
            f"instrument={holding.instrument.name} side={side:+d} executions={many} limit={most}",
            report,
        )

    def _rebooked(
        self, order: OpenOrder | None, account: str, root: str, report: Report
    ) -> Alarm | None:
        """Fold a bust or a correction of a fill; `order` is the one that the report names."""
        one, alarm = self.executions.find(account, root, report.ref), None
        if one is None:
            alarm = Alarm(
                "UNKNOWN_EXECUTION",
                f"order={report.cl_ord_id} {report.exec_type} of {report.ref!r}",
            )
        before = None if one is None else (one, one.qty, one.px)
        if not self.executions.change(account, root, report):
            return None
        if before is not None:
            now, qty, px = before
            mine, holding, side, first, name = now.owner
            gain, more = (
                self.fill(holding, side, -qty, px) + self.fill(holding, side, now.qty, now.px),
                now.qty - qty,
            )
            # What it lost stays lost, and so does what corrections within the band took back of that.
            within = max(side * (first - px), 0) * qty * 2 * holding.instrument.unit
            self.hold((account, name), gain, side * more, within)
            if mine is not None:
                mine.cum_qty = mine.cum_qty + more
                mine.parent.used = mine.parent.used + more
                self.settle(mine)
        if order is None:
            return alarm
        return self._counted(order, report) or alarm

    def _strange(self, report: Report) -> Alarm | None:
        """A report on an order that never left here. A fill is booked all the same, and its agent stops."""
        where = report.account, report.instrument
        if (holding := self.holdings.get(where)) is None:
            return Alarm(
                "FOREIGN", f"account={where[0]} instrument={where[1]} order={report.cl_ord_id}"
            )
        if report.exec_type is not ExecType.TRADE:
            return Alarm("UNKNOWN_ORDER", f"order={report.cl_ord_id} status={report.status}")
        key = report.account, strange(report), report.exec_id
        if self.executions.find(*key) is not None:
            return None
        owner = None, holding, report.side, report.last_px, f"{key[1]}:{report.exec_id}"
        one = self.executions.book(key, owner, report.last_qty, report.last_px)
        self._weigh(one, key)
        return self._stop(holding.agent, "STRANGE_FILL", f"lots={text(report.last_qty)}", report)

    def _stop(self, agent: AgentState, code: str, text: str, report: Report) -> Alarm:
        agent.stops.setdefault(code, f"{code} {report.cl_ord_id}")
        return Alarm(code, f"agent={agent.name} order={report.cl_ord_id} {text}", agent.name)


def _name(key: Key, changed: Report | None) -> str:
    """The name by which an execution is doubted: its own, or that of the one whose correction came before it."""
    return f"{key[1]}:{key[2] if changed is None else changed.ref}"
