"""The questions that the gate asks, each by itself: a function of what is asked that gives a Denial or None.

They are asked in the order of `gate.CHECKS`, so that each may rely on those before it. Nothing here changes a count.
A limit is the most that passes.
"""

from tercel.core.orders import NewOrder, ReplaceOrder
from tercel.limits.file import DAY_NS
from tercel.limits.state import NEVER_NS, NOBODY, Denial, InstrumentState, LimitQuery, Scope, money


def check_killed(asked: LimitQuery) -> Denial | None:
    """Nothing new leaves a desk, or an agent, that was killed."""
    killed = asked.gate.killed
    if killed is not None and (reason := killed(asked.command.account)) is not None:
        return Denial("KILLED", f"agent={asked.command.account} reason={reason}")
    if asked.gate.fault:
        return Denial("CHECK_FAILED", f"the counts cannot be trusted: {asked.gate.fault}")
    return None


def check_form(asked: LimitQuery) -> Denial | None:
    """Whole numbers of lots and ticks above zero, a side, a name. A bool or a float is no number of lots."""
    command = asked.command
    if type(asked.lots) is not int or asked.lots <= 0:
        return Denial("BAD_QUANTITY", f"lots={asked.lots!r}")
    price = asked.price
    if type(price) is not int or price <= 0:
        if price is not None or type(command) is ReplaceOrder:
            return Denial("BAD_PRICE", f"price={price!r}")
    if type(asked.side) is not int or (asked.side != 1 and asked.side != -1):
        return Denial("BAD_SIDE", f"side={asked.side!r}")
    if type(command.cl_ord_id) is not str or not command.cl_ord_id:
        return Denial("BAD_ID", f"cl_ord_id={command.cl_ord_id!r}")
    if type(asked.now_ns) is not int:
        return Denial("BAD_TIME", f"now_ns={asked.now_ns!r}")
    return None


def check_known(asked: LimitQuery) -> Denial | None:
    """An instrument and an agent that the desk has, both with limits; an agent that was not stopped."""
    if asked.holding is None:
        command = asked.command
        if command.instrument not in asked.gate.instruments:
            return Denial("UNKNOWN_INSTRUMENT", f"instrument={command.instrument}")
        return Denial("UNKNOWN_AGENT", f"agent={command.account}")
    if asked.agent.stopped:
        return Denial("STOPPED", f"agent={asked.agent.name} reason={asked.agent.stopped}")
    return None


def check_parent(asked: LimitQuery) -> Denial | None:
    """A parent that the desk gave to this agent, in this instrument, on this side."""
    parent = asked.parent
    if parent is None:
        return Denial("UNKNOWN_PARENT", f"parent={asked.command.parent}")
    if parent.holding is not asked.holding or parent.side != asked.side:
        return Denial("NOT_THE_PARENTS", f"parent={parent.name} {_who(asked)} side={asked.side:+d}")
    return None


def check_replaced(asked: LimitQuery) -> Denial | None:
    """A replace changes a living order of the same parent (and so of its agent, instrument and side)."""
    if type(asked.command) is ReplaceOrder:
        order = asked.order
        if order is None or not order.live:
            return Denial("UNKNOWN_ORDER", f"orig={asked.command.orig}")
        if order.parent is not asked.parent:
            return Denial("NOT_THE_PARENTS", f"orig={asked.command.orig} parent={asked.parent.name}")
    return None


def check_twice(asked: LimitQuery) -> Denial | None:
    """No name is used twice, and the same order does not leave again within `duplicate_ms`."""
    gate, command = asked.gate, asked.command
    if command.cl_ord_id in gate.names:
        return Denial("DUPLICATE_ID", f"cl_ord_id={command.cl_ord_id}")
    within = gate.duplicate_ns
    if within and asked.now_ns - (last_ns := gate.recent.get(content(command), NEVER_NS)) < within:
        return Denial("DUPLICATE", f"{_who(asked)} sent_ns={last_ns} now_ns={asked.now_ns}")
    return None


def content(command: NewOrder | ReplaceOrder) -> tuple[object, ...]:
    """What an order says, without its name and time."""
    if isinstance(command, NewOrder):
        return (command.parent, command.lots, command.price, command.tif, command.side)
    return (command.parent, command.lots, command.price, command.orig)


def check_hours(asked: LimitQuery) -> Denial | None:
    """The time of day of the venue's clock is one at which the instrument may be traded."""
    hours = asked.instrument.limits.hours
    if hours is not None:
        start, end = hours
        at = asked.now_ns % DAY_NS
        inside = start <= at < end if start < end else at >= start or at < end
        if not inside:
            return Denial("HOURS", f"instrument={asked.instrument.name} time_of_day_ns={at} from={start} until={end}")
    return None


def check_order_lots(asked: LimitQuery) -> Denial | None:
    """The quantity of one order."""
    if asked.lots > asked.holding.order_lots:
        return Denial("ORDER_LOTS", f"{_who(asked)} lots={asked.lots} limit={asked.holding.order_lots}")
    return None


def check_reference(asked: LimitQuery) -> Denial | None:
    """There is a mid, it is young, and it is one: nobody knows what a price means without it."""
    at = asked.instrument
    if at.good_from_ns <= asked.now_ns <= at.good_until_ns:
        return None
    if not at.sane:
        code = "NO_REFERENCE" if at.marked_ns == NEVER_NS else "BAD_REFERENCE"
        return Denial(code, f"instrument={at.name} bid={at.bid!r} ask={at.ask!r}")
    return Denial("STALE_REFERENCE", _stale(asked, at))


def _stale(asked: LimitQuery, at: InstrumentState) -> str:
    return f"instrument={at.name} age_ns={asked.now_ns - at.marked_ns} limit={at.limits.reference_age_ns}"


def check_collar(asked: LimitQuery) -> Denial | None:
    """The price lies in the collar around the mid. A market order's value is reckoned at the collar's edge."""
    at, price = asked.instrument, asked.price
    bps = at.limits.collar_bps
    if price is None:
        asked.worst_price = -(at.mid2 * (10_000 + bps) // -20_000)
        return None
    away = 2 * price - at.mid2
    if away * 10_000 > bps * at.mid2 or away * -10_000 > bps * at.mid2:
        return Denial("COLLAR", f"instrument={at.name} price={price} mid={at.mid2 / 2:g} limit_bps={bps}")
    asked.worst_price = price if asked.side > 0 or price > at.bid else at.bid
    return None


def check_order_value(asked: LimitQuery) -> Denial | None:
    """The value of one order; a sell that may fill at the bid is worth that."""
    value = 2 * asked.lots * asked.worst_price * asked.instrument.unit
    if value > asked.holding.order_value:
        return Denial("ORDER_VALUE", f"{_who(asked)} value={money(value)} limit={money(asked.holding.order_value)}")
    return None


def check_crossing(asked: LimitQuery) -> Denial | None:
    """No order that could trade with another of the desk's own, whoever's it is."""
    at = asked.instrument
    if asked.side > 0:
        best = at.sell_quotes.best
        if best != NOBODY and (asked.price is None or asked.price >= best):
            return Denial("OWN_CROSS", f"{_who(asked)} price={asked.price} own_sell={best}")
    else:
        best = at.buy_quotes.best
        if best != NOBODY and (asked.price is None or asked.price <= -best):
            return Denial("OWN_CROSS", f"{_who(asked)} price={asked.price} own_buy={-best}")
    return None


def check_children(asked: LimitQuery) -> Denial | None:
    """Children never come to more than their parent: filled and open lots of all, this one included."""
    parent = asked.parent
    if asked.extra and parent.used + asked.extra > parent.lots:
        return Denial("CHILDREN", f"parent={parent.name} used={parent.used} lots={asked.extra} limit={parent.lots}")
    return None


def check_position(asked: LimitQuery) -> Denial | None:
    """The worst case: this and every open order of its side fills, none of the other."""
    extra = asked.extra
    if not extra:
        return None
    holding, at = asked.holding, asked.instrument
    if asked.side > 0:
        if (worst := holding.position + holding.buys + extra) > holding.long_lots:
            return Denial("POSITION", f"{_who(asked)} long={worst} limit={holding.long_lots}")
        if (worst := at.position + at.buys + extra) > at.long_lots:
            return Denial("POSITION", f"instrument={at.name} long={worst} limit={at.long_lots}")
    else:
        if (worst := holding.sells - holding.position + extra) > holding.short_lots:
            return Denial("POSITION", f"{_who(asked)} short={worst} limit={holding.short_lots}")
        if (worst := at.sells - at.position + extra) > at.short_lots:
            return Denial("POSITION", f"instrument={at.name} short={worst} limit={at.short_lots}")
    return None


def check_gross(asked: LimitQuery) -> Denial | None:
    """The value of the worst-case positions, without their signs."""
    holding, at = asked.holding, asked.instrument
    if asked.side > 0:
        grown = holding.position + holding.buys + asked.extra - holding.exposure
    else:
        grown = holding.sells - holding.position + asked.extra - holding.exposure
    if grown > 0:
        value = grown * at.mid2 * at.unit
        agent, desk = asked.agent, asked.gate.desk
        if (
            agent.gross + value > agent.gross_value
            or at.gross + value > at.gross_value
            or desk.gross + value > desk.gross_value
        ):
            scope = next(each for each in holding.scopes if each.gross + value > each.gross_value)
            gross, limit = money(scope.gross + value), money(scope.gross_value)
            return Denial("GROSS", f"scope={scope.name} gross={gross} limit={limit}")
    return None


def check_messages(asked: LimitQuery) -> Denial | None:
    """The number of messages in the window that ends now. Cancels count in it, and are never asked."""
    now_ns = asked.now_ns
    for scope in asked.holding.scopes:
        times = scope.times
        if len(times) == scope.messages and (not times or times[0] > now_ns - scope.window_ns):
            return Denial("MESSAGES", f"scope={scope.name} limit={scope.messages} window_ns={scope.window_ns}")
    return None


def check_loss(asked: LimitQuery) -> Denial | None:
    """The day's loss, realised and marked; unknown while a position has no fresh mark.

    An order that can only bring its agent's position nearer to zero passes.
    """
    denial, gate, now_ns = None, asked.gate, asked.now_ns
    for at in gate.held.values():
        if not at.good_from_ns <= now_ns <= at.good_until_ns:
            denial = Denial("STALE_MARK", _stale(asked, at))
    agent, at, desk = asked.agent, asked.instrument, gate.desk
    if agent.equity < agent.floor or at.equity < at.floor or desk.equity < desk.floor:
        if now_ns < gate.day_ends_ns:  # what was lost until then is yesterday's
            denial = next(_loss(scope) for scope in asked.holding.scopes if scope.equity < scope.floor)
    return None if denial is None or _reduces(asked) else denial


def _loss(scope: Scope) -> Denial:
    lost, limit = money(scope.lost), money(scope.daily_loss)
    return Denial("DAILY_LOSS", f"scope={scope.name} loss={lost} limit={limit}")


def _reduces(asked: LimitQuery) -> bool:
    holding = asked.holding
    if asked.side > 0:
        return holding.buys + asked.extra <= -holding.position
    return holding.sells + asked.extra <= holding.position


def _who(asked: LimitQuery) -> str:
    return f"instrument={asked.command.instrument} agent={asked.command.account}"
