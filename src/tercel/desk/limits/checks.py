"""Pre-trade checks, one function each: from a LimitQuery to a Denial or None.

They run in the order of `gate.CHECKS`, so that each may rely on those before it. Nothing here changes a count.
A limit is the most that passes.
"""

from tercel.core.orders import ONE, PAID_ONE, NewOrder, QuotedOrder, ReplaceOrder, text
from tercel.desk.limits.file import DAY_NS, MONEY
from tercel.desk.limits.quotes import NO_QUOTE
from tercel.desk.limits.state import (
    NEVER_NS,
    Denial,
    InstrumentState,
    LimitQuery,
    ParentLimit,
    Scope,
)


def check_killed(query: LimitQuery) -> Denial | None:
    """No new order of a killed desk or agent."""
    killed = query.gate.killed
    if killed is not None and (reason := killed(query.command.account)) is not None:
        return Denial("KILLED", f"agent={query.command.account} reason={reason}")
    if query.gate.fault:
        return Denial("CHECK_FAILED", f"the counts cannot be trusted: {query.gate.fault}")
    return None


def check_form(query: LimitQuery) -> Denial | None:
    """Lots and ticks are positive whole numbers, side and name are valid; no bool or float passes as a number."""
    command = query.command
    if type(query.lots) is not int or query.lots <= 0:
        return Denial("BAD_QUANTITY", f"lots={query.lots!r}")
    price = query.price
    if type(price) is not int or price <= 0:
        if price is not None or type(command) is ReplaceOrder:
            return Denial("BAD_PRICE", f"price={price!r}")
    if type(query.side) is not int or (query.side != 1 and query.side != -1):
        return Denial("BAD_SIDE", f"side={query.side!r}")
    if type(command.cl_ord_id) is not str or not command.cl_ord_id:
        return Denial("BAD_ID", f"cl_ord_id={command.cl_ord_id!r}")
    if type(query.now_ns) is not int:
        return Denial("BAD_TIME", f"now_ns={query.now_ns!r}")
    return None


def check_known(query: LimitQuery) -> Denial | None:
    """Instrument and agent are listed and limited, and the agent is not stopped."""
    if query.holding is None:
        command = query.command
        if command.instrument not in query.gate.instruments:
            return Denial("UNKNOWN_INSTRUMENT", f"instrument={command.instrument}")
        return Denial("UNKNOWN_AGENT", f"agent={command.account}")
    if query.agent.stops:
        return Denial("STOPPED", f"agent={query.agent.name} reason={query.agent.stopped}")
    return None


def check_parent(query: LimitQuery) -> Denial | None:
    """The order belongs to a parent accepted for this agent, instrument and side."""
    parent = query.parent
    if parent is None:
        return Denial("UNKNOWN_PARENT", f"parent={query.command.parent}")
    if parent.holding is not query.holding or parent.side != query.side:
        return Denial("NOT_THE_PARENTS", f"parent={parent.name} {_who(query)} side={query.side:+d}")
    return None


def check_replaced(query: LimitQuery) -> Denial | None:
    """A replace names an open order of the same parent (and so of its agent, instrument and side)."""
    if type(query.command) is ReplaceOrder:
        order = query.order
        if order is None or not order.live:
            return Denial("UNKNOWN_ORDER", f"orig={query.command.orig}")
        if order.parent is not query.parent:
            return Denial(
                "NOT_THE_PARENTS", f"orig={query.command.orig} parent={query.parent.name}"
            )
    return None


def check_twice(query: LimitQuery) -> Denial | None:
    """No ClOrdID is used twice, and no identical order leaves again within `duplicate_ms`."""
    gate, command = query.gate, query.command
    if command.cl_ord_id in gate.names:
        return Denial("DUPLICATE_ID", f"cl_ord_id={command.cl_ord_id}")
    within = gate.duplicate_ns
    if within and query.now_ns - (last_ns := gate.recent.get(content(command), NEVER_NS)) < within:
        return Denial("DUPLICATE", f"{_who(query)} sent_ns={last_ns} now_ns={query.now_ns}")
    return None


def content(command: NewOrder | ReplaceOrder) -> tuple[object, ...]:
    """Key of an order's content without its ClOrdID and time, for duplicate detection."""
    if isinstance(command, QuotedOrder):
        return (command.parent, command.lots, command.price, command.quote)
    if isinstance(command, NewOrder):
        return (command.parent, command.lots, command.price, command.tif, command.side)
    return (command.parent, command.lots, command.price, command.orig)


def check_hours(query: LimitQuery) -> Denial | None:
    """The venue's time of day is within the instrument's trading hours."""
    hours = query.instrument.limits.hours
    if hours is not None:
        start, end = hours
        at = query.now_ns % DAY_NS
        if (at - start) % DAY_NS >= (end - start) % DAY_NS:
            return Denial(
                "HOURS",
                f"instrument={query.instrument.name} time_of_day_ns={at} from={start} until={end}",
            )
    return None


def check_order_lots(query: LimitQuery) -> Denial | None:
    """Maximum lots of one order."""
    if query.lots > query.holding.order_lots:
        return Denial(
            "ORDER_LOTS", f"{_who(query)} lots={query.lots} limit={query.holding.order_lots}"
        )
    return None


def check_reference(query: LimitQuery) -> Denial | None:
    """A sane, recent mid exists; without a reference no price or value can be judged."""
    at = query.instrument
    if at.good_from_ns <= query.now_ns <= at.good_until_ns:
        return None
    if not at.sane:
        code = "NO_REFERENCE" if at.marked_ns == NEVER_NS else "BAD_REFERENCE"
        return Denial(code, f"instrument={at.name} bid={at.bid!r} ask={at.ask!r}")
    return Denial("STALE_REFERENCE", _stale(query, at))


def _stale(query: LimitQuery, at: InstrumentState) -> str:
    if not at.sane:
        return f"instrument={at.name} bid={at.bid!r} ask={at.ask!r}: crossed, or a side is empty"
    text = f"instrument={at.name} age_ns={query.now_ns - at.marked_ns} limit={at.limits.reference_age_ns}"
    return (
        text if query.now_ns > at.marked_ns else f"{text}: the market is dated ahead of the clock"
    )


def check_collar(query: LimitQuery) -> Denial | None:
    """The price lies within the collar around the mid, a quote within that of quotes; a market order is valued at the
    collar's edge."""
    at, price = query.instrument, query.price
    quoted = type(query.command) is QuotedOrder
    bps = at.limits.quote_collar_bps if quoted else at.limits.collar_bps
    if price is None:
        query.worst_price = -(at.mid2 * (10_000 + bps) // -20_000)
        return None
    away = 2 * price - at.mid2
    if away * 10_000 > bps * at.mid2 or away * -10_000 > bps * at.mid2:
        return Denial(
            "COLLAR", f"instrument={at.name} price={price} mid={at.mid2 / 2:g} limit_bps={bps}"
        )
    query.worst_price = price if query.side == 1 else max(price, at.bid)
    return None


def check_order_value(query: LimitQuery) -> Denial | None:
    """Maximum value of one order; a sell that may fill at the bid is valued there."""
    value, limit = (
        2 * query.lots * query.worst_price * query.instrument.unit,
        query.holding.order_value,
    )
    if value > limit:
        return Denial(
            "ORDER_VALUE",
            f"{_who(query)} value={money(value * PAID_ONE)} limit={money(limit * PAID_ONE)}",
        )
    return None


def check_crossing(query: LimitQuery) -> Denial | None:
    """Self-trade prevention: no order that could match another open order of the desk, whichever agent's; one that takes a
    dealer's quote does not enter the book."""
    at = query.instrument
    if type(query.command) is QuotedOrder:
        return None
    if query.side == 1:
        best = at.sell_quotes.best
        if best != NO_QUOTE and (query.price is None or query.price >= best):
            return Denial("OWN_CROSS", f"{_who(query)} price={query.price} own_sell={best}")
    else:
        best = at.buy_quotes.best
        if best != NO_QUOTE and (query.price is None or query.price <= -best):
            return Denial("OWN_CROSS", f"{_who(query)} price={query.price} own_buy={-best}")
    return None


def check_children(query: LimitQuery) -> Denial | None:
    """Filled and open lots of all children, this one included, never exceed the parent's lots."""
    parent = query.parent
    if query.extra and parent.used + query.extra > parent.lots * ONE:
        used, lots = text(parent.used), text(query.extra)
        return Denial(
            "CHILDREN", f"parent={parent.name} used={used} lots={lots} limit={parent.lots}"
        )
    return None


def check_position(query: LimitQuery) -> Denial | None:
    """Maximum position in the worst case: this and every open order of its side fill, none of the other."""
    extra = query.extra
    if not extra:
        return None
    holding, at = query.holding, query.instrument
    # Buys and sells never offset: the worst case has all of one side filled and none of the other.
    if query.side == 1:
        if (worst := holding.position + holding.buys + extra) > holding.long_qty:
            return Denial(
                "POSITION", f"{_who(query)} long={text(worst)} limit={text(holding.long_qty)}"
            )
        if (worst := at.position + at.buys + extra) > at.long_qty:
            return Denial(
                "POSITION", f"instrument={at.name} long={text(worst)} limit={text(at.long_qty)}"
            )
    else:
        if (worst := holding.sells - holding.position + extra) > holding.short_qty:
            return Denial(
                "POSITION", f"{_who(query)} short={text(worst)} limit={text(holding.short_qty)}"
            )
        if (worst := at.sells - at.position + extra) > at.short_qty:
            return Denial(
                "POSITION", f"instrument={at.name} short={text(worst)} limit={text(at.short_qty)}"
            )
    return None


def check_gross(query: LimitQuery) -> Denial | None:
    """Maximum gross value of worst-case positions."""
    holding, at = query.holding, query.instrument
    if query.side == 1:
        grown = holding.position + holding.buys + query.extra - holding.exposure
    else:
        grown = holding.sells - holding.position + query.extra - holding.exposure
    # An order that makes the worst case no worse may always leave, even above the limit.
    if grown > 0:
        value = grown * at.mid2 * at.unit * ONE
        agent, desk = query.agent, query.gate.desk
        if (
            agent.gross + value > agent.gross_value
            or at.gross + value > at.gross_value
            or desk.gross + value > desk.gross_value
        ):
            scope = next(each for each in holding.scopes if each.gross + value > each.gross_value)
            gross, limit = money(scope.gross + value), money(scope.gross_value)
            return Denial("GROSS", f"scope={scope.name} gross={gross} limit={limit}")
    return None


def check_legged(query: LimitQuery) -> Denial | None:
    """Maximum value unhedged of an agent's pairs, and of the desk's: open orders of one direction fill, no others.

    A hedge counts by the lots of the legs; an order that leaves nothing more unhedged always may.
    """
    first = query.parent.first
    if len(first.legs) < 2:
        return None
    worst = unhedged(first)[query.side != first.side] + _in_first(query.parent, query.extra)
    if worst <= 0:
        return None
    others = [
        (one.holding.agent, max(0, *unhedged(one)) * _worth(one))
        for one in query.gate.pairs()
        if one is not first
    ]
    for agent, limit in (
        (query.agent, query.agent.limits.legged_value),
        (None, query.gate.legged_value),
    ):
        used = worst * _worth(first) + sum(more for who, more in others if agent in (None, who))
        if used > limit * PAID_ONE:
            return Denial(
                "LEGGED", f"{_who(query)} unhedged={money(used)} limit={money(limit * PAID_ONE)}"
            )
    return None


def unhedged(first: ParentLimit) -> tuple[int, int]:
    """Most lots of a pair's first leg that may be unhedged, and most that may be hedged too much, 10^-8 of a lot."""
    more = less = 0
    for one in first.legs:
        used = _in_first(one, one.used)
        filled = _in_first(one, one.used - one.open_qty)
        more += used if one.side == first.side else -filled
        less += -filled if one.side == first.side else used
    return more, less


def _in_first(one: ParentLimit, qty: int) -> int:
    """A quantity in lots of the first leg."""
    first, hedge, *_ = one.first.legs
    return qty if one.holding is first.holding else qty * first.lots // hedge.lots


def _worth(first: ParentLimit) -> int:
    at = first.holding.instrument
    return at.mid2 * at.unit * ONE


def check_messages(query: LimitQuery) -> Denial | None:
    """Maximum message rate over a sliding window; cancels count but are never refused.

    A message counts from here on. Once its bytes are written to the socket its time is set to that moment, so that no
    window has more messages than the limit, however long journal and socket take.
    """
    now_ns = max(query.now_ns, query.gate.wire_ns)
    for scope in query.holding.scopes:
        times = scope.times
        if len(times) == scope.messages and (not times or times[0] > now_ns - scope.window_ns):
            return Denial(
                "MESSAGES", f"scope={scope.name} limit={scope.messages} window_ns={scope.window_ns}"
            )
    return None


def check_loss(query: LimitQuery) -> Denial | None:
    """Maximum daily loss and drawdown, realised and marked; unknown while a position has no fresh mark.

    An order that can only bring its agent's position nearer to zero passes.
    """
    denial, gate, now_ns = None, query.gate, query.now_ns
    for at in gate.held.values():
        if not at.good_from_ns <= now_ns <= at.good_until_ns:
            denial = Denial("STALE_MARK", _stale(query, at))
    agent, at, desk = query.agent, query.instrument, gate.desk
    if agent.equity < agent.floor or at.equity < at.floor or desk.equity < desk.floor:
        if now_ns < gate.day_ends_ns:  # what was lost until then is yesterday's
            denial = next(
                _loss(scope) for scope in query.holding.scopes if scope.equity < scope.floor
            )
    return None if denial is None or _reduces(query) else denial


def _loss(scope: Scope) -> Denial:
    if scope.lost > scope.daily_loss:
        return Denial(
            "DAILY_LOSS",
            f"scope={scope.name} loss={money(scope.lost)} limit={money(scope.daily_loss)}",
        )
    return Denial(
        "DRAWDOWN",
        f"scope={scope.name} drawdown={money(scope.drawn)} limit={money(scope.drawdown)}",
    )


def _reduces(query: LimitQuery) -> bool:
    holding = query.holding
    if query.side == 1:
        return holding.buys + query.extra <= -holding.position
    return holding.sells + query.extra <= holding.position


# -- requests for quotes ----------------------------------------------------------------------------------------------
def check_request_value(query: LimitQuery) -> Denial | None:
    """Maximum value of the requests for quotes of an hour."""
    value = query.lots * query.instrument.mid2 * query.instrument.unit
    for scope in (query.agent, query.gate.desk):
        if (asked := scope.requested(query.now_ns) + value) > scope.rfq_value:
            used = f"in_an_hour={money(asked * PAID_ONE)} limit={money(scope.rfq_value * PAID_ONE)}"
            return Denial("RFQ_VALUE", f"scope={scope.name} {used}")
    return None


def check_dealers(query: LimitQuery, dealers: tuple[str, ...]) -> Denial | None:
    """Maximum number of different dealers in an instrument in a day; a request must name its dealers."""
    at = query.instrument
    many = len({*at.dealers, *dealers})
    if many > (limit := at.limits.dealers_per_day) or not dealers:
        named = f"named={len(dealers)} in_the_day={many} limit={limit}"
        return Denial("DEALERS", f"instrument={at.name} {named}")
    return None


def _who(query: LimitQuery) -> str:
    return f"instrument={query.command.instrument} agent={query.command.account}"


def money(value: int) -> str:
    """Text of an internal amount of money, for people.

    >>> money(3 * PAID_ONE * MONEY // 2), money(-2 * PAID_ONE * MONEY)
    ('1.50', '-2.00')
    """
    return f"{value / (MONEY * PAID_ONE):.2f}"
