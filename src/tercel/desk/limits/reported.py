"""Counting of the venue's reports: fills, ends, replaces, busts and corrections; alarms for impossible ones.

A report's time orders it among the reports of its order; the trading day comes from the clock alone. Its lots are always
booked; if the report contradicts the order's terms, the agent is stopped.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from tercel.core.executions import Execution, Key, unsent_order_name
from tercel.core.fixed_point import ONE, ceil_units, format_decimal
from tercel.core.lifecycle import next_base_state, update_count
from tercel.core.orders import REBOOKS, ExecType, OrdStatus, Report
from tercel.desk.limits.order_counts import AT_ANY_PRICE, Doubt, Filled, OpenOrder
from tercel.desk.limits.past_counts import PastCounts
from tercel.desk.limits.scopes import NEVER_NS, AgentState, Holding
from tercel.desk.limits.state import Alarm
from tercel.desk.limits.units import WHOLE

PAUSES: Final = frozenset({"STRANGE_FILL", "FILL_PRICE", "FILL_SIDE", "ENLARGED"})
"""Alarms over which an agent stops until positions agree with the venue's: it was reported without a request."""
# Members of an enumeration by name take a quarter of a microsecond each: those that every report is held against.
_REJECTED = OrdStatus.REJECTED
_REPLACED = ExecType.REPLACED
_RESTATED = ExecType.RESTATED
_TRADE = ExecType.TRADE


class ReportedCounts(PastCounts):
    """Mixin that updates counts from the venue's reports."""

    def report(self, report: Report, now_ns: int | None = None) -> Alarm | None:
        """Count an execution report; an impossible one is booked as far as it can be, and alarmed.

        It comes at `now_ns` by the clock, and is of no later time, whatever it says. Without `now_ns` no day begins.
        """
        if now_ns is not None:
            self.advance_clock(now_ns)
            # A time to come, taken at its word, would make all later reports look old.
            report = report if report.ns <= now_ns else replace(report, ns=now_ns)
        alarm: Alarm | None = self._fold(self._fold_report, report)
        return alarm

    def find_implausible(
        self, report: Report
    ) -> tuple[tuple[str, str], str, dict[str, Any]] | None:
        """Details of an execution report that is implausible, and is counted with care; None otherwise.

        The instrument and agent, the figures as text, and {"execution": its name, "reference": the mid, 10^-8 of a
        tick, 0 before any mark}. To be called before the report is counted.

        An execution is compared with the mid; before any mark, with the worst price of its order. Before any mark an
        execution of a market order or of no known order is implausible, and lots beyond the order's always are. A correction
        is compared with the first price of the corrected execution; if it changes the lots, and for a bust, the first, the
        last and the new price are compared with the mid. A doubted execution stays doubted, whatever is reported of it.
        """
        kind = report.exec_type
        order, account, root = self._owner_of(report)
        trade = kind is ExecType.TRADE
        busted = kind is ExecType.BUSTED
        px = report.last_px
        ref = report.exec_id if trade else report.ref
        execution = self.executions.find(account, root, ref)
        holding = (
            self.holdings.get((account, report.instrument)) if order is None else order.holding
        )
        if (
            holding is None
            or not (trade or kind in REBOOKS)
            or (busted if execution is None else trade or not execution.qty)
        ):
            return None
        owner = order, holding, report.side, px, _doubt_name((account, root, ref), None)
        # Its correction may have come before it.
        current = execution or self.executions.preview_booking(
            (account, root, ref), owner, report.last_qty, px
        )
        _, holding, _, first_px, name = current.owner
        name = _doubt_name((account, root, ref), current.changed) if trade else name
        instrument = holding.instrument
        doubted = (account, name) in self.doubts
        mid = instrument.mid2 * ONE // 2
        band = instrument.limits.fill_band_bps
        if instrument.sane_ns == NEVER_NS:
            mid = 0 if order is None or abs(order.worst) == AT_ANY_PRICE else order.worst * ONE
        pairs = [(px, first_px)] if execution is not None and not busted else []
        if execution is None or busted or report.last_qty != execution.qty:
            pairs += [
                (each, mid) for each in (first_px, current.px, *((px,) if not busted else ()))
            ]
        far_pairs = [
            (p, reference_px)
            for p, reference_px in pairs
            if p <= 0 or abs(p - reference_px) * WHOLE > band * reference_px
        ]
        lots = current.qty if execution is None else report.last_qty - execution.qty
        excess = not busted and order is not None and lots > order.most_lots * ONE - order.cum_qty
        if not (far_pairs or doubted or excess):
            return None
        px, reference = (far_pairs or pairs)[0]
        details = f"{kind} {name} at {format_decimal(px)}: reference={format_decimal(reference)} limit_bps={band}"
        marked = instrument.sane_ns != NEVER_NS
        # A fold may meet it before any market. Those of no known order before any mark are mostly older than the session:
        # they bring no gain, and their agent waits until positions agree, not for a person's word on each.
        stops = {"stops": "until a person confirms it"} if marked or order is not None else {}
        return (
            (instrument.name, account),
            details,
            {"execution": name, "reference": mid if marked else 0, **stops},
        )

    def doubt(self, agent: str, instrument: str, name: str, reference: int) -> None:
        """Begin to hold back the gain of an execution and its later reports, at a reference (10^-8 ticks; 0: no mark)."""
        if (holding := self.holdings.get((agent, instrument))) is not None:
            self.doubts.setdefault((agent, name), Doubt(holding)).reference = reference

    def hold_back(self, key: tuple[str, str], gain: int, qty: int, earlier_gain: int = 0) -> None:
        """Hold back a report's gain of a doubted execution (`qty` signed), at its first report with `earlier_gain`."""
        if (doubt := self.doubts.get(key)) is not None:
            instrument = doubt.holding.instrument
            doubt.position += 0 if doubt.reference else qty
            gain += (
                qty * (2 * doubt.reference - instrument.mid2 * ONE) * instrument.unit
                if doubt.reference
                else 0
            )
            doubt.hold_back(gain if doubt.day_ends_ns else gain + earlier_gain)
            doubt.day_ends_ns = doubt.day_ends_ns or self.day_ends_ns

    def confirm_execution(self, agent: str, name: str) -> None:
        """Count a doubted execution at its own price, as a person confirmed it; an unknown one is ignored."""
        if (doubt := self.doubts.pop((agent, name), None)) is not None:
            # What was made on an earlier day is no profit of this one, which would forgive its loss.
            held_gain = doubt.held
            past_gain = doubt.held * (doubt.day_ends_ns < self.day_ends_ns)
            for scope in doubt.holding.scopes:
                scope.equity = scope.equity + held_gain
                scope.opening = scope.opening + past_gain
                scope.high = scope.high + past_gain
                scope.update_floor()

    def _owner_of(self, report: Report) -> tuple[OpenOrder | None, str, str]:
        """(order, account, order's name) that identify a report's executions; order None if it is of no known order."""
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
            (ref and self.executions.order_of(report.account, ref)) or unsent_order_name(report),
        )

    def _fold(self, change: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function that changes the counts; an exception marks the counts as broken and becomes an alarm."""
        try:
            return change(*arguments)
        except Exception as error:
            # Half a change may have been made: counts that may be too low let nothing more out.
            self.fault = self.fault or f"{type(error).__name__}: {error} at {arguments[0]!r}"
            return Alarm("COUNTS_BROKEN", self.fault)

    def _fold_report(self, report: Report) -> Alarm | None:
        """Fold a report into the counts of its order; an alarm if it is impossible."""
        order, account, root = self._owner_of(report)
        if report.exec_type in REBOOKS:
            return self._fold_rebooking(order, account, root, report)
        if order is None:
            return self._fold_strange(report)
        name = report.cl_ord_id
        kind = report.exec_type
        alarm = None
        if report.status is _REJECTED:
            of_replace = order.requested if kind in (ExecType.REJECTED, ExecType.STATUS) else {}
            if of_replace.pop(name, None) is not None:
                self.settle(order)
                return None
            # Its lots stay reserved: an order that was accepted once may have filled.
            if order.base not in (OrdStatus.PENDING_NEW, OrdStatus.REJECTED):
                alarm = Alarm("CONTRADICTION", f"order={name} was accepted and is now rejected")
        elif kind is _REPLACED and name != order.root and self.orders.get(name) is order:
            alarm = self._fold_replace(order, report)
        elif kind is _REPLACED:  # a replace without a request is a restatement
            report = replace(report, exec_type=_RESTATED)
            alarm = self._fold_restatement(order, report)
        elif kind is _RESTATED:
            alarm = self._fold_restatement(order, report)
        if kind is _TRADE:
            alarm = self._fold_fill(order, report) or alarm
        return self._fold_status(order, report) or alarm

    def _fold_status(self, order: OpenOrder, report: Report) -> Alarm | None:
        """Fold a report's status and cumulative quantity into its order; an alarm for more than the order's lots.

        Quantity counted as filled stays reserved until its fill comes; older counts no longer hold.
        """
        alarm = None
        max_lots = order.most_lots
        counts = update_count(order.counted_qty, order.recounted_ns, report)
        counted, since_ns = order.counted_qty, order.recounted_ns = counts
        before = order.base
        order.base = next_base_state(
            before,
            report,
            order.cum_qty,
            counted,
            max_lots,
            order.ended_ns,
            since_ns,
            cautious=True,
        )
        if order.base is not before:
            # A cancel that was sent while it had ended says nothing of a later end.
            order.probes.clear()
            order.ended_ns = NEVER_NS if order.live else report.ns
        if report.ns >= since_ns and counted > max_lots * ONE:
            counts_text = f"cum={format_decimal(counted)} lots={max_lots}"
            alarm = self._stop(order.holding.agent, "OVERFILL", counts_text, report)
        self.settle(order)
        return alarm

    def _fold_replace(self, order: OpenOrder, report: Report) -> Alarm | None:
        """Fold an accepted replace into its order's size and price.

        One requested before another already accepted changes nothing, unless its report is later than the last change;
        one dated before that counts if it is larger, as the venue's clock may have been put back.
        """
        max_lots = order.most_lots
        requested = order.requested.pop(report.cl_ord_id, None)
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
        lots = max(lots, report.lots, ceil_units(report.cum_qty))
        return self._resize(order, report, max_lots, lots, price)

    def _fold_restatement(self, order: OpenOrder, report: Report) -> Alarm | None:
        """Fold a size or price that the venue changed without a request."""
        if report.ns < order.changed_ns:
            return None
        lots = max(report.lots or order.lots, ceil_units(report.cum_qty))
        price = order.price if report.price is None else report.price
        return self._resize(order, report, order.most_lots, lots, price)

    def _resize(
        self, order: OpenOrder, report: Report, max_lots: int, lots: int, price: int
    ) -> Alarm | None:
        """Change size and price as of a report; more lots than `max_lots`, the most requested, stop the agent with an alarm."""
        if report.ns < order.changed_ns:
            order.lots = max(lots, order.lots)
        else:
            order.changed_ns = report.ns
            order.price = price
            order.lots = lots
        if order.lots <= max_lots:
            return None
        return self._stop(
            order.holding.agent, "ENLARGED", f"lots={order.lots} requested={max_lots}", report
        )

    def _fold_fill(self, order: OpenOrder, report: Report) -> Alarm | None:
        """Book a fill of a known order, once; an alarm if it exceeds the order or contradicts its terms."""
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
        execution = self.executions.book(key, owner, report.last_qty, report.last_px)
        # less, where its bust or correction came before it
        qty = execution.qty
        within = min(execution.qty, order.open_qty)
        order.cum_qty += qty
        order.open_qty -= within
        order.parent.open_qty -= within
        # What was reserved is counted already; only a fill beyond it is new to the parent.
        order.parent.used += qty - within
        self.reserve(holding, order.side, -within)
        self._book_gain(execution, key)
        repeated = self._count_execution(holding, order.side, report)
        # Booked first, alarmed then: the position is as large as the venue says, whether it was ordered or not.
        if within < qty:
            return self._stop(
                holding.agent,
                "OVERFILL",
                f"lots={format_decimal(qty)} open={format_decimal(within)}",
                report,
            )
        if not report.exec_id:
            return self._stop(holding.agent, "NO_EXEC_ID", f"lots={format_decimal(qty)}", report)
        return self._check_fill_terms(order, report) or repeated

    def _book_gain(self, execution: Execution[Filled], key: Key) -> None:
        """Add a booked execution to position and money, holding back its gain if it is doubted.

        Executions of one order without a name are one, and no loss of one offsets another's gain.
        """
        _, holding, side, _, _ = execution.owner
        gain = self.fill(holding, side, execution.qty, execution.px)
        self.hold_back(
            (key[0], _doubt_name(key, execution.changed)),
            gain if key[2] else max(gain, 0),
            side * execution.qty,
        )

    def _check_fill_terms(self, order: OpenOrder, report: Report) -> Alarm | None:
        """Alarm for a fill on the other side or beyond every requested price; None otherwise."""
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
                f"price={format_decimal(report.last_px)} requested={order.worst}",
                report,
            )
        return None

    def _count_execution(self, holding: Holding, side: int, report: Report) -> Alarm | None:
        """Count an execution; one too many of a side in a window stops the agent."""
        agent = holding.agent
        max_executions = agent.limits.executions
        if (
            not max_executions
            or (n_executions := holding.record_execution(side, report.ns)) <= max_executions
            or agent.repeated
        ):
            return None
        agent.repeated = f"{holding.instrument.name} {side:+d}"
        return self._stop(
            agent,
            "EXECUTIONS",
            f"instrument={holding.instrument.name} side={side:+d} executions={n_executions} limit={max_executions}",
            report,
        )

    def _fold_rebooking(
        self, order: OpenOrder | None, account: str, root: str, report: Report
    ) -> Alarm | None:
        """Fold a bust or a correction of a fill; `order` is the one that the report names."""
        execution = self.executions.find(account, root, report.ref)
        alarm = None
        if execution is None:
            alarm = Alarm(
                "UNKNOWN_EXECUTION",
                f"order={report.cl_ord_id} {report.exec_type} of {report.ref!r}",
            )
        before = None if execution is None else (execution, execution.qty, execution.px)
        if not self.executions.change(account, root, report):
            return None
        if before is not None:
            rebooked, qty, px = before
            own_order, holding, side, first_px, name = rebooked.owner
            gain = self.fill(holding, side, -qty, px) + self.fill(
                holding, side, rebooked.qty, rebooked.px
            )
            added_qty = rebooked.qty - qty
            # What it lost stays lost, and so does what corrections within the band took back of that.
            regained = max(side * (first_px - px), 0) * qty * 2 * holding.instrument.unit
            self.hold_back((account, name), gain, side * added_qty, regained)
            if own_order is not None:
                own_order.cum_qty = own_order.cum_qty + added_qty
                own_order.parent.used = own_order.parent.used + added_qty
                self.settle(own_order)
        if order is None:
            return alarm
        return self._fold_status(order, report) or alarm

    def _fold_strange(self, report: Report) -> Alarm | None:
        """Book a fill of an order that never left here and stop its agent; other reports and unknown accounts only alarm."""
        holding_key = report.account, report.instrument
        if (holding := self.holdings.get(holding_key)) is None:
            return Alarm(
                "FOREIGN",
                f"account={holding_key[0]} instrument={holding_key[1]} order={report.cl_ord_id}",
            )
        if report.exec_type is not ExecType.TRADE:
            return Alarm("UNKNOWN_ORDER", f"order={report.cl_ord_id} status={report.status}")
        key = report.account, unsent_order_name(report), report.exec_id
        if self.executions.find(*key) is not None:
            return None
        owner = None, holding, report.side, report.last_px, f"{key[1]}:{report.exec_id}"
        execution = self.executions.book(key, owner, report.last_qty, report.last_px)
        self._book_gain(execution, key)
        return self._stop(
            holding.agent, "STRANGE_FILL", f"lots={format_decimal(report.last_qty)}", report
        )

    def _stop(self, agent: AgentState, code: str, text: str, report: Report) -> Alarm:
        """Stop an agent under a code, and return the alarm."""
        agent.stops.setdefault(code, f"{code} {report.cl_ord_id}")
        return Alarm(code, f"agent={agent.name} order={report.cl_ord_id} {text}", agent.name)


def _doubt_name(key: Key, changed: Report | None) -> str:
    """Name of a doubted execution: its own, or that of the execution whose correction came first."""
    return f"{key[1]}:{key[2] if changed is None else changed.ref}"
