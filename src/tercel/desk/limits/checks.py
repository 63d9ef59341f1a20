"""Pre-trade checks, one function each: from a LimitQuery to a Denial (both in `state`) or None, which lets it pass.

They run in the order of `CHECKS`, so that each may rely on those before it. Nothing here changes a count.
A limit is the most that passes.
"""

from typing import Final

from tercel.core.fixed_point import ONE, PAID_ONE, format_decimal
from tercel.core.orders import NewOrder, QuotedOrder, ReplaceOrder
from tercel.desk.limits.order_counts import ParentLimit
from tercel.desk.limits.quotes import NO_QUOTE
from tercel.desk.limits.scopes import NEVER_NS, InstrumentState, Scope
from tercel.desk.limits.state import Check, Denial, LimitQuery
from tercel.desk.limits.units import DAY_NS, MONEY


def check_killed(query: LimitQuery) -> Denial | None:
    """Deny orders of a killed desk or agent, and every order while the gate's counts cannot be trusted."""
    killed = query.gate.killed
    if killed is not None and (reason := killed(query.command.account)) is not None:
        return Denial("KILLED", f"agent={query.command.account} reason={reason}")
    if query.gate.fault:
        return Denial("CHECK_FAILED", f"the counts cannot be trusted: {query.gate.fault}")
    return None


def check_form(query: LimitQuery) -> Denial | None:
    """Deny lots or a price that is no positive integer (a new order may have none), an invalid side or time, an empty name."""
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
    """Deny an unknown instrument or agent, and an agent that is stopped."""
    if query.holding is None:
        command = query.command
        if command.instrument not in query.gate.instruments:
            return Denial("UNKNOWN_INSTRUMENT", f"instrument={command.instrument}")
        return Denial("UNKNOWN_AGENT", f"agent={command.account}")
    if query.agent.stops:
        return Denial("STOPPED", f"agent={query.agent.name} reason={query.agent.stopped}")
    return None


def check_parent(query: LimitQuery) -> Denial | None:
    """Deny an order without an accepted parent of its agent, instrument and side."""
    parent = query.parent
    if parent is None:
        return Denial("UNKNOWN_PARENT", f"parent={query.command.parent}")
    if parent.holding is not query.holding or parent.side != query.side:
        return Denial(
            "NOT_THE_PARENTS", f"parent={parent.name} {_scope_text(query)} side={query.side:+d}"
        )
    return None


def check_replaced(query: LimitQuery) -> Denial | None:
    """Deny a replace that does not name an open order of the same parent."""
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
    """Deny a ClOrdID used before, and an identical order again within `duplicate_ms`."""
    gate = query.gate
    command = query.command
    if command.cl_ord_id in gate.names:
        return Denial("DUPLICATE_ID", f"cl_ord_id={command.cl_ord_id}")
    window_ns = gate.limits.desk.duplicate_ns
    if (
        window_ns
        and query.now_ns - (last_ns := gate.recent.get(content_key(command), NEVER_NS)) < window_ns
    ):
        return Denial("DUPLICATE", f"{_scope_text(query)} sent_ns={last_ns} now_ns={query.now_ns}")
    return None


def content_key(command: NewOrder | ReplaceOrder) -> tuple[object, ...]:
    """Key of an order's content without its ClOrdID and time, for duplicate detection."""
    if isinstance(command, QuotedOrder):
        return (command.parent, command.lots, command.price, command.quote)
    if isinstance(command, NewOrder):
        return (command.parent, command.lots, command.price, command.tif, command.side)
    return (command.parent, command.lots, command.price, command.orig)


def check_hours(query: LimitQuery) -> Denial | None:
    """Deny orders outside the instrument's trading hours, from their begin (inclusive) to their end (exclusive)."""
    hours = query.instrument.limits.hours
    if hours is not None:
        start, end = hours
        time_of_day_ns = query.now_ns % DAY_NS
        if (time_of_day_ns - start) % DAY_NS >= (end - start) % DAY_NS:
            return Denial(
                "HOURS",
                f"instrument={query.instrument.name} time_of_day_ns={time_of_day_ns} from={start} until={end}",
            )
    return None


def check_venue_rules(query: LimitQuery) -> Denial | None:
    """Deny orders that the venue would refuse by the rules of its listing: closed, or no legal price or quantity."""
    rules = query.gate.rules.get(query.instrument.name)
    if rules is None or type(query.command) is QuotedOrder:
        return None
    fault = rules.refusal(query.side, query.lots, query.price, query.now_ns)
    return Denial("VENUE_RULES", f"instrument={query.instrument.name}: {fault}") if fault else None


def check_order_lots(query: LimitQuery) -> Denial | None:
    """Deny an order of more lots than the limit of one order."""
    if query.lots > query.holding.order_lots:
        return Denial(
            "ORDER_LOTS", f"{_scope_text(query)} lots={query.lots} limit={query.holding.order_lots}"
        )
    return None


def check_reference(query: LimitQuery) -> Denial | None:
    """Deny orders while no sane, recent mid exists to judge prices and values by."""
    instrument = query.instrument
    if instrument.good_from_ns <= query.now_ns <= instrument.good_until_ns:
        return None
    if not instrument.sane:
        code = "NO_REFERENCE" if instrument.marked_ns == NEVER_NS else "BAD_REFERENCE"
        return Denial(code, f"instrument={instrument.name} {instrument.quotes}")
    return Denial("STALE_REFERENCE", _stale_text(query, instrument))


def _stale_text(query: LimitQuery, instrument: InstrumentState) -> str:
    """Text of a reference that is too old, crossed or one-sided."""
    if not instrument.sane:
        return f"instrument={instrument.name} {instrument.quotes}: crossed, or a side is empty"
    text = f"instrument={instrument.name} age_ns={query.now_ns - instrument.marked_ns} limit={instrument.limits.reference_age_ns}"
    return (
        text
        if query.now_ns > instrument.marked_ns
        else f"{text}: the market is dated ahead of the clock"
    )


def check_collar(query: LimitQuery) -> Denial | None:
    """Deny a price outside the collar around the mid; sets `query.worst_price`, at which the order is valued.

    A quote has a collar of its own; a market order is valued at the collar's edge.
    """
    instrument = query.instrument
    price = query.price
    quoted = type(query.command) is QuotedOrder
    bps = instrument.limits.quote_collar_bps if quoted else instrument.limits.collar_bps
    if price is None:
        query.worst_price = -(instrument.mid2 * (10_000 + bps) // -20_000)
        return None
    twice_distance = 2 * price - instrument.mid2
    if (
        twice_distance * 10_000 > bps * instrument.mid2
        or twice_distance * -10_000 > bps * instrument.mid2
    ):
        return Denial(
            "COLLAR",
            f"instrument={instrument.name} price={price} mid={instrument.mid2 / 2:g} limit_bps={bps}",
        )
    query.worst_price = price if query.side == 1 else max(price, instrument.quotes.bid or 0)
    return None


def check_order_value(query: LimitQuery) -> Denial | None:
    """Deny an order of more value than the limit; a sell that may fill at the bid is valued there."""
    value = 2 * query.lots * query.worst_price * query.instrument.unit
    limit = query.holding.order_value
    if value > limit:
        return Denial(
            "ORDER_VALUE",
            f"{_scope_text(query)} value={money_text(value * PAID_ONE)} limit={money_text(limit * PAID_ONE)}",
        )
    return None


def check_crossing(query: LimitQuery) -> Denial | None:
    """Deny an order that could match another open order of the desk (self-trade prevention).

    Whichever agent's that is. An order that takes a dealer's quote does not enter the book.
    """
    instrument = query.instrument
    if type(query.command) is QuotedOrder:
        return None
    if query.side == 1:
        best = instrument.sell_quotes.best
        if best != NO_QUOTE and (query.price is None or query.price >= best):
            return Denial("OWN_CROSS", f"{_scope_text(query)} price={query.price} own_sell={best}")
    else:
        best = instrument.buy_quotes.best
        if best != NO_QUOTE and (query.price is None or query.price <= -best):
            return Denial("OWN_CROSS", f"{_scope_text(query)} price={query.price} own_buy={-best}")
    return None


def check_children(query: LimitQuery) -> Denial | None:
    """Deny an order by which filled and open lots of all children would exceed the parent's lots."""
    parent = query.parent
    if query.extra and parent.used + query.extra > parent.lots * ONE:
        used = format_decimal(parent.used)
        lots = format_decimal(query.extra)
        return Denial(
            "CHILDREN", f"parent={parent.name} used={used} lots={lots} limit={parent.lots}"
        )
    return None


def check_position(query: LimitQuery) -> Denial | None:
    """Deny an order by which a worst-case position exceeds its limit.

    In the worst case this and every open order of its side fill, none of the other.
    """
    extra = query.extra
    if not extra:
        return None
    holding = query.holding
    instrument = query.instrument
    # Buys and sells never offset: the worst case has all of one side filled and none of the other.
    if query.side == 1:
        if (worst := holding.position + holding.buys + extra) > holding.long_qty:
            return Denial(
                "POSITION",
                f"{_scope_text(query)} long={format_decimal(worst)} limit={format_decimal(holding.long_qty)}",
            )
        if (worst := instrument.position + instrument.buys + extra) > instrument.long_qty:
            return Denial(
                "POSITION",
                f"instrument={instrument.name} long={format_decimal(worst)} limit={format_decimal(instrument.long_qty)}",
            )
    else:
        if (worst := holding.sells - holding.position + extra) > holding.short_qty:
            return Denial(
                "POSITION",
                f"{_scope_text(query)} short={format_decimal(worst)} limit={format_decimal(holding.short_qty)}",
            )
        if (worst := instrument.sells - instrument.position + extra) > instrument.short_qty:
            return Denial(
                "POSITION",
                f"instrument={instrument.name} short={format_decimal(worst)} limit={format_decimal(instrument.short_qty)}",
            )
    return None


def check_gross(query: LimitQuery) -> Denial | None:
    """Deny an order that raises the gross value of worst-case positions of agent, instrument or desk above its limit."""
    holding = query.holding
    instrument = query.instrument
    if query.side == 1:
        grown = holding.position + holding.buys + query.extra - holding.exposure
    else:
        grown = holding.sells - holding.position + query.extra - holding.exposure
    # An order that makes the worst case no worse may always leave, even above the limit.
    if grown > 0:
        value = grown * instrument.mid2 * instrument.unit * ONE
        agent = query.agent
        desk = query.gate.desk
        if (
            agent.gross + value > agent.gross_value
            or instrument.gross + value > instrument.gross_value
            or desk.gross + value > desk.gross_value
        ):
            scope = next(each for each in holding.scopes if each.gross + value > each.gross_value)
            gross = money_text(scope.gross + value)
            limit = money_text(scope.gross_value)
            return Denial("GROSS", f"scope={scope.name} gross={gross} limit={limit}")
    return None


def check_legged(query: LimitQuery) -> Denial | None:
    """Deny an order by which the unhedged value of an agent's or the desk's pairs exceeds a limit.

    In the worst case open orders of one direction fill, no others.

    A hedge counts by the lots of the legs; an order that leaves nothing more unhedged always may.
    """
    first_leg = query.parent.first
    if len(first_leg.legs) < 2:
        return None
    worst = measure_unhedged(first_leg)[query.side != first_leg.side] + _in_first_leg_lots(
        query.parent, query.extra
    )
    if worst <= 0:
        return None
    others = [
        (pair.holding.agent, max(0, *measure_unhedged(pair)) * _qty_value(pair))
        for pair in query.gate.pairs()
        if pair is not first_leg
    ]
    for agent, limit in (
        (query.agent, query.agent.limits.legged_value),
        (None, query.gate.limits.desk.legged_value),
    ):
        used = worst * _qty_value(first_leg) + sum(
            pair_value for owner, pair_value in others if agent in (None, owner)
        )
        if used > limit * PAID_ONE:
            return Denial(
                "LEGGED",
                f"{_scope_text(query)} unhedged={money_text(used)} limit={money_text(limit * PAID_ONE)}",
            )
    return None


def measure_unhedged(first_leg: ParentLimit) -> tuple[int, int]:
    """Worst case of a pair in first-leg lots (10^-8), signed: unhedged quantity, and quantity hedged too much."""
    unhedged_qty = overhedged_qty = 0
    for leg in first_leg.legs:
        used = _in_first_leg_lots(leg, leg.used)
        filled = _in_first_leg_lots(leg, leg.used - leg.open_qty)
        unhedged_qty += used if leg.side == first_leg.side else -filled
        overhedged_qty += -filled if leg.side == first_leg.side else used
    return unhedged_qty, overhedged_qty


def _in_first_leg_lots(leg: ParentLimit, qty: int) -> int:
    """Quantity of a leg converted to the pair's first leg by the ratio of their lots, both in 10^-8 of a lot."""
    first_leg, hedge_leg, *_ = leg.first.legs
    return qty if leg.holding is first_leg.holding else qty * first_leg.lots // hedge_leg.lots


def _qty_value(first_leg: ParentLimit) -> int:
    """Value of 10^-8 of a lot of a pair's first leg at the mid, in 10^-16 of `MONEY`."""
    instrument = first_leg.holding.instrument
    return instrument.mid2 * instrument.unit * ONE


def check_messages(query: LimitQuery) -> Denial | None:
    """Deny a message above the maximum rate over a sliding window; cancels count but always pass.

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
    """Deny orders after too large a daily loss or drawdown, or while a held position has no fresh mark.

    An order that can only bring its agent's position nearer to zero passes.
    """
    denial = None
    gate = query.gate
    now_ns = query.now_ns
    for held_instrument in gate.held.values():
        if not held_instrument.good_from_ns <= now_ns <= held_instrument.good_until_ns:
            denial = Denial("STALE_MARK", _stale_text(query, held_instrument))
    agent = query.agent
    instrument = query.instrument
    desk = gate.desk
    if (
        agent.equity < agent.floor
        or instrument.equity < instrument.floor
        or desk.equity < desk.floor
    ):
        if now_ns < gate.day_ends_ns:  # what was lost until then is yesterday's
            denial = next(
                _loss_denial(scope) for scope in query.holding.scopes if scope.equity < scope.floor
            )
    return None if denial is None or _reduces_position(query) else denial


def _loss_denial(scope: Scope) -> Denial:
    """Denial of a scope below its equity floor: daily loss, or drawdown."""
    if scope.lost > scope.daily_loss:
        return Denial(
            "DAILY_LOSS",
            f"scope={scope.name} loss={money_text(scope.lost)} limit={money_text(scope.daily_loss)}",
        )
    return Denial(
        "DRAWDOWN",
        f"scope={scope.name} drawdown={money_text(scope.drawn)} limit={money_text(scope.drawdown)}",
    )


def _reduces_position(query: LimitQuery) -> bool:
    """Whether an order can only bring its agent's position nearer to zero."""
    holding = query.holding
    if query.side == 1:
        return holding.buys + query.extra <= -holding.position
    return holding.sells + query.extra <= holding.position


def check_request_value(query: LimitQuery) -> Denial | None:
    """Deny a request for quotes by which agent or desk exceeds the value that it may request in an hour."""
    value = query.lots * query.instrument.mid2 * query.instrument.unit
    for scope in (query.agent, query.gate.desk):
        if (requested := scope.requested_value(query.now_ns) + value) > scope.rfq_value:
            used = f"in_an_hour={money_text(requested * PAID_ONE)} limit={money_text(scope.rfq_value * PAID_ONE)}"
            return Denial("RFQ_VALUE", f"scope={scope.name} {used}")
    return None


def check_dealers(query: LimitQuery, dealers: tuple[str, ...]) -> Denial | None:
    """Deny a request to no dealer, or one by which more different dealers than allowed are asked in an instrument in a day."""
    instrument = query.instrument
    dealer_count = len({*instrument.dealers, *dealers})
    if dealer_count > (limit := instrument.limits.dealers_per_day) or not dealers:
        named = f"named={len(dealers)} in_the_day={dealer_count} limit={limit}"
        return Denial("DEALERS", f"instrument={instrument.name} {named}")
    return None


def _scope_text(query: LimitQuery) -> str:
    """Instrument and agent of a query, for the text of a denial."""
    return f"instrument={query.command.instrument} agent={query.command.account}"


def money_text(value: int) -> str:
    """Text, to two decimals (below 1 to eight, as of coins), of an amount in 10^-16 of `MONEY`: a limit times `PAID_ONE`.

    >>> money_text(3 * PAID_ONE * MONEY // 2), money_text(-2 * PAID_ONE * MONEY), money_text(3 * PAID_ONE * MONEY // 10**4)
    ('1.50', '-2.00', '0.00030000')
    """
    amount = value / (MONEY * PAID_ONE)
    return f"{amount:.{8 if 0 < abs(amount) < 1 else 2}f}"


CHECKS: Final[tuple[Check, ...]] = (
    check_killed,  # a person stopped it
    check_form,  # numbers are numbers
    check_known,  # the instrument and the agent have limits
    check_parent,  # it belongs to a parent order
    check_replaced,  # it changes an order that lives
    check_twice,  # it was not sent before
    check_hours,  # the market is open to us
    check_venue_rules,  # and takes such an order
    check_order_lots,  # how many
    check_reference,  # the price of things is known
    check_collar,  # at what price
    check_order_value,  # how much
    check_crossing,  # not against ourselves
    check_children,  # no more than the parent
    check_position,  # if all of it fills
    check_gross,  # whatever way it goes
    check_legged,  # what of a pair is not hedged
    check_messages,  # not too often
    check_loss,  # not after too much was lost
)
"""The order of checks. The first that refuses is reported; a person's own come after them."""
REQUEST_CHECKS: Final[tuple[Check, ...]] = (
    check_killed,
    check_form,
    check_known,
    check_hours,
    check_order_lots,
    check_reference,
    check_request_value,
    check_messages,
)
"""The same of a request for quotes."""
