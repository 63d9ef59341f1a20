"""An exchange in Binance's words over a simulated one: accounts, orders and their life, balances to the last 1e-8.

It opens no socket and reads no clock: requests come as method calls, events for streams wait in `pending_events`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from exchange.binance.accounts import Balances
from exchange.binance.order import BinanceFill, BinanceOrder, PreventedMatch, fee_of
from exchange.binance.public import PublicMarket
from exchange.binance.symbols import MOST_ORDERS, PREVENTION, SymbolRules
from exchange.binance.words import (
    INSUFFICIENT,
    NO_ORDER,
    UNKNOWN_ORDER,
    WOULD_MATCH,
    BinanceError,
    BinanceOrderType,
    BinanceSide,
    SelfTradePrevention,
    ServerCode,
    TimeInForce,
    filter_failure,
    ms,
    order_rejection,
)
from tercel.core import MOST_LOTS, ONE, CapacityError, orders as o
from tercel.venues.binance_venue import ErrorCode, Status, format_amount
from tercel.venues.exchange import SimulatedExchange

STANDARD_FEE: Final = 100_000
"""0.1 %, in 1e-8."""
_ENDS: Final = {
    o.ExecType.CANCELED: (Status.CANCELED, "CANCELED"),
    o.ExecType.EXPIRED: (Status.EXPIRED, "EXPIRED"),
}
_PREVENTED: Final = Status.EXPIRED_IN_MATCH, "TRADE_PREVENTION"


@dataclass(slots=True)
class OrderRequest:
    """A new order as a client asks for it: lots 0 where it says what it would spend, in 1e-8 of the quote asset."""

    rules: SymbolRules
    side: BinanceSide
    kind: BinanceOrderType
    tif: TimeInForce
    lots: int
    ticks: int
    quote_qty: int
    client_id: str
    labels: dict[str, int]
    prevention: SelfTradePrevention = PREVENTION


@dataclass
class TradingAccount:
    """An account: what it holds, and every order that it ever gave."""

    name: str
    balances: Balances = field(default_factory=Balances)
    orders: dict[int, BinanceOrder] = field(default_factory=dict)
    latest: dict[str, BinanceOrder] = field(default_factory=dict)
    """By client order id; the latest one where a name was used again."""
    living: dict[int, BinanceOrder] = field(default_factory=dict)
    fills: list[BinanceFill] = field(default_factory=list)
    prevented: list[PreventedMatch] = field(default_factory=list)
    update_ns: int = 0


class BinanceExchange:
    """Symbols of a simulated exchange with Binance's accounts and orders.

    Parameters
    ----------
    exchange : SimulatedExchange
        Stepped by this alone from now on.
    rules : sequence of SymbolRules
        One for each instrument.
    offset_ns : int
        Added to the exchange's time for clients.
    maker, taker : int
        Fees in 1e-8 of what is received.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        rules: Sequence[SymbolRules],
        *,
        offset_ns: int = 0,
        maker: int = STANDARD_FEE,
        taker: int = STANDARD_FEE,
    ) -> None:
        self._exchange = exchange
        self._offset_ns = offset_ns
        self.maker = maker
        self.taker = taker
        self.rules = {symbol_rules.symbol: symbol_rules for symbol_rules in rules}
        self.markets: dict[str, PublicMarket] = {}
        for symbol_rules in rules:
            exchange.subscribe(symbol_rules.instrument)
            snapshot = exchange.snapshot(symbol_rules.instrument)
            self.markets[symbol_rules.symbol] = PublicMarket(
                symbol_rules, snapshot, exchange.now_ns, offset_ns
            )
        self._symbol_of = {symbol_rules.instrument: symbol_rules.symbol for symbol_rules in rules}
        self.accounts: dict[str, TradingAccount] = {}
        self.pending_events: list[tuple[str, dict[str, Any]]] = []
        """Events of accounts that streams have not sent yet."""
        self._order_of: dict[str, BinanceOrder] = {}
        self._name_of: dict[int, str] = {}
        self._orders = self._executions = self._commands = self._prevented = 0
        self._answer: o.Report | o.CancelReject | None = None
        self._canceling = ("", "")
        self.began_ns = exchange.now_ns

    @property
    def now_ns(self) -> int:
        """Time as clients see it."""
        return self._exchange.now_ns + self._offset_ns

    @property
    def offset_ns(self) -> int:
        """Added to the exchange's time for clients."""
        return self._offset_ns

    @property
    def assets(self) -> list[str]:
        """Assets of all symbols."""
        return list(
            dict.fromkeys(
                name
                for symbol_rules in self.rules.values()
                for name in (symbol_rules.base, symbol_rules.quote)
            )
        )

    def account(self, name: str) -> TradingAccount:
        """An account; a new one holds nothing."""
        return self.accounts.setdefault(name, TradingAccount(name))

    def deposit(self, name: str, asset: str, amount: int) -> None:
        """Money comes, or goes where `amount` is below 0, by somebody else's hand."""
        account = self.account(name)
        account.balances.add(asset, amount)
        from_symbols = {
            "e": "balanceUpdate",
            "E": ms(self.now_ns),
            "a": asset,
            "d": format_amount(amount),
        }
        self.pending_events.append((name, from_symbols | {"T": ms(self.now_ns)}))
        self._queue_position(account, asset)

    # -- time ---------------------------------------------------------------------------------------------------------

    def advance(self, until_ns: int) -> None:
        """Let the market go on to a time as clients see it; a time that is past changes nothing."""
        self._step(max(until_ns - self._offset_ns, self._exchange.now_ns))

    def _step(self, until_ns: int) -> None:
        while True:
            events = self._exchange.step(until_ns)
            for event in events:
                self._apply_event(event)
            if all(isinstance(event, o.MarketRows) for event in events):
                break
        for market in self.markets.values():
            market.settle()

    def _apply_event(self, event: o.VenueEvent) -> None:
        if isinstance(event, o.MarketRows):
            symbol = self._symbol_of[event.instrument]
            if not event.snapshot:
                self.markets[symbol].take(event)
        elif isinstance(event, o.Report):
            self._report(event)
        elif isinstance(event, o.CancelReject):
            self._answer = event

    def _command(self, command: o.Command) -> o.Report | o.CancelReject | None:
        """Send a command; its answer is here when this returns."""
        self._answer = None
        self._exchange.send(command)
        self._step(self._exchange.now_ns)
        return self._answer

    def _new_name(self) -> str:
        self._commands += 1
        return str(self._commands)

    # -- reports ------------------------------------------------------------------------------------------------------

    def _report(self, report: o.Report) -> None:
        order = self._order_of.get(report.cl_ord_id) or self._order_of.get(report.orig)
        if report.exec_type is o.ExecType.REJECTED:
            self._answer = report
        if order is None:
            return
        order.update_ns = report.ns + self._offset_ns
        order.slot = int(report.order_id.partition(".")[0])
        if report.exec_type is o.ExecType.NEW:
            order.working_ns = order.update_ns
            self._queue_report(order, "NEW")
        elif report.exec_type is o.ExecType.TRADE:
            self._fill(order, report)
        elif report.exec_type is o.ExecType.REPLACED:
            self._apply_amendment(order, report)
        elif report.exec_type in _ENDS:
            status, exec_type = (
                _PREVENTED if order.prevented is not None else _ENDS[report.exec_type]
            )
            if status is Status.EXPIRED:
                fok = order.tif is TimeInForce.FOK
                unfilled = "UNFILLED_FOK_ORDER_EXPIRED" if fok else "UNFILLED_IOC_QUANTITY_EXPIRED"
                order.expiry_reason = (
                    "INSUFFICIENT_LIQUIDITY" if order.kind is BinanceOrderType.MARKET else unfilled
                )
            self._end(order, status, exec_type)

    def _fill(self, order: BinanceOrder, report: o.Report) -> None:
        market = self.markets[order.rules.symbol]
        rules = order.rules
        lots = report.last_qty // ONE
        ticks = report.last_px // ONE
        value = lots * ticks * rules.unit
        base = lots * rules.lot
        buys = order.side is BinanceSide.BUY
        gained = base if buys else value
        fee = fee_of(gained, self.maker if report.passive else self.taker)
        account = self.account(order.account)
        set_aside = (lots * order.limit * rules.unit if order.limit else value) if buys else base
        account.balances.spend(order.pays, set_aside, value if buys else base)
        order.locked -= set_aside
        account.balances.free[order.gets] += gained - fee
        order.cum += lots
        order.value += lots * ticks
        fill = BinanceFill(
            market.own_trade_number(report),
            order.order_id,
            rules.symbol,
            order.side,
            lots,
            ticks,
            fee,
            order.gets,
            order.update_ns,
            report.passive,
        )
        order.fills.append(fill)
        account.fills.append(fill)
        done = order.cum >= order.lots
        order.status = Status.FILLED if done else Status.PARTIALLY_FILLED
        if done:
            self._forget(order)
        self._queue_report(order, "TRADE", fill)

    def _apply_amendment(self, order: BinanceOrder, report: o.Report) -> None:
        """An amendment: fewer lots."""
        gone = order.lots - report.lots
        self._release(order, gone)
        name, original = self._canceling
        self._latest(order, name)
        before = order.lots
        order.lots = report.lots
        self._queue_report(order, "REPLACED", original=original)
        order.amendments.append(order.amendment(self._executions, original, before))

    def _release(self, order: BinanceOrder, lots: int) -> None:
        """Money of lots that will not trade is free again."""
        buys = order.side is BinanceSide.BUY
        money = lots * (order.limit * order.rules.unit if buys else order.rules.lot)
        if order.kind is BinanceOrderType.MARKET and buys:
            money = order.locked
        self.account(order.account).balances.spend(order.pays, money, 0)
        order.locked -= money

    def _end(self, order: BinanceOrder, status: Status, exec_type: str) -> None:
        self._release(order, order.lots - order.cum)
        order.status = status
        self._forget(order)
        name, original = self._canceling
        self._queue_report(order, exec_type, name=name, original=original)

    def _forget(self, order: BinanceOrder) -> None:
        """It is over: the exchange behind has forgotten it."""
        account = self.account(order.account)
        account.living.pop(order.order_id, None)
        if (name := self._name_of.pop(order.order_id, None)) is not None:
            self._order_of.pop(name, None)

    def _queue_report(
        self,
        order: BinanceOrder,
        exec_type: str,
        fill: BinanceFill | None = None,
        name: str = "",
        original: str = "",
    ) -> None:
        self._executions += 1
        report = order.report(exec_type, self._executions, self.now_ns, fill, name, original)
        self.pending_events.append((order.account, report))
        self._queue_position(self.account(order.account), order.rules.base, order.rules.quote)

    def _queue_position(self, account: TradingAccount, *assets: str) -> None:
        account.update_ns = self.now_ns
        now = ms(self.now_ns)
        event = {
            "e": "outboundAccountPosition",
            "E": now,
            "u": now,
            "B": account.balances.short_rows(*assets),
        }
        self.pending_events.append((account.name, event))

    # -- new orders ---------------------------------------------------------------------------------------------------

    def check(self, account: TradingAccount, request: OrderRequest) -> int:
        """Check an order as the exchange does before it is entered; the money to set aside, 1e-8 of what it pays with.

        Raises
        ------
        BinanceError
            Filters, a price that takes where it may not, too little money, a name in use.
        """
        rules = request.rules
        market = self.markets[request.rules.symbol]
        if market.halted:
            raise order_rejection("Market is closed.")
        if request.ticks:
            rules.check_limit(request.ticks, request.lots, market.average(self.now_ns) // ONE)
        elif request.lots:
            rules.check_value(request.lots * market.average(self.now_ns) // ONE)
        open_count = sum(order.rules is rules for order in account.living.values())
        if open_count >= MOST_ORDERS:
            raise filter_failure("MAX_NUM_ORDERS")
        if request.client_id in account.latest and account.latest[request.client_id].open:
            raise order_rejection("Duplicate order sent.")
        side = request.side.sign
        best, _ = market.best(-side)
        takes = bool(best) and (not request.ticks or side * (request.ticks - best) >= 0)
        if request.kind is BinanceOrderType.LIMIT_MAKER and takes:
            raise order_rejection(WOULD_MATCH)
        if request.quote_qty:
            request.lots = self._lots_for(request)
        value = self._would_fill(request, request.lots)[1] if takes else 0
        buys = request.side is BinanceSide.BUY
        if not buys:
            money = request.lots * rules.lot
        elif request.ticks:
            money = request.lots * request.ticks * rules.unit
        else:
            money = value * rules.unit
        if money > account.balances.free[rules.quote if buys else rules.base]:
            raise order_rejection(INSUFFICIENT)
        return money

    def _would_fill(self, request: OrderRequest, lots: int) -> tuple[int, int]:
        """Lots, and ticks x lots, that an order would take now.

        Raises
        ------
        BinanceError
            It would move the market further than one moment can: a lot size that is too large.
        """
        try:
            fills = self._exchange.would_fill(
                request.rules.instrument, request.side.sign, request.ticks or None, lots
            )
        except CapacityError:
            raise filter_failure("LOT_SIZE" if request.ticks else "MARKET_LOT_SIZE") from None
        return sum(lots for _, lots, _ in fills), sum(ticks * lots for ticks, lots, _ in fills)

    def _lots_for(self, request: OrderRequest) -> int:
        """Most lots that come to no more than what is to be spent, or received."""
        most = request.quote_qty // request.rules.unit
        low = 0
        high = min(most // max(self.markets[request.rules.symbol].last() // 2, 1) + 1, MOST_LOTS)
        while low < high:
            middle = (low + high + 1) // 2
            try:
                lots, value = self._would_fill(request, middle)
            except BinanceError:
                lots = middle
                value = most + 1
            low, high = (middle, high) if lots == middle and value <= most else (low, middle - 1)
        if not low:
            raise order_rejection("Order book liquidity is less than symbol minimum quantity.")
        request.rules.check_value(self._would_fill(request, low)[1])
        return low

    def place(self, account: TradingAccount, request: OrderRequest) -> BinanceOrder:
        """Enter an order; what it took at once is in it when this returns.

        Raises
        ------
        BinanceError
            As :meth:`check`.
        """
        self.check(account, request)
        self._orders += 1
        lots, match = self._prevent_self_trades(account, request)
        money = self.check(account, request)  # of the book without own orders that it ended
        name = request.client_id or f"tercel{self._orders:016d}"
        order = BinanceOrder(
            self._orders,
            name,
            account.name,
            request.rules,
            request.side,
            request.kind,
            request.tif,
            request.lots,
            request.ticks,
            self.now_ns,
            request.quote_qty,
            request.labels,
            update_ns=self.now_ns,
            limit=request.ticks,
            locked=money,
            prevention=request.prevention,
        )
        account.balances.lock(order.pays, money)
        account.orders[order.order_id] = order
        account.living[order.order_id] = order
        self._latest(order, name)
        if order.tif is TimeInForce.FOK and self._would_fill(request, order.lots)[0] < order.lots:
            order.expiry_reason = "UNFILLED_FOK_ORDER_EXPIRED"
            self._queue_report(order, "NEW")
            self._end(order, Status.EXPIRED, "EXPIRED")
            return order
        if match is None:
            self._enter(order, account, order.lots)
            return order
        if lots and order.tif is not TimeInForce.FOK:
            self._enter(order, account, lots)
        else:
            order.working_ns = order.update_ns
            self._queue_report(order, "NEW")
        if order.open:
            order.prevented = match
            self._end(order, *_PREVENTED)
        return order

    def _prevent_self_trades(
        self, account: TradingAccount, request: OrderRequest
    ) -> tuple[int, PreventedMatch | None]:
        """End own orders that a new one would trade with, as its mode says; what ends itself, and behind how many lots."""
        mode = request.prevention
        while mode is not SelfTradePrevention.NONE:
            ahead, maker = self._first_own(account, request)
            if maker is None:
                break
            self._prevented += 1
            rest = request.lots - ahead
            ends = mode is not SelfTradePrevention.EXPIRE_MAKER
            maker_lots = 0 if mode is SelfTradePrevention.EXPIRE_TAKER else maker.leaves
            match = PreventedMatch(
                self._prevented,
                request.rules,
                mode,
                taker=self._orders,
                maker=maker.order_id,
                ticks=maker.ticks,
                lots=min(rest, maker.leaves),
                taker_lots=rest if ends else 0,
                maker_lots=maker_lots,
                ns=self.now_ns,
            )
            account.prevented.append(match)
            if maker_lots:
                maker.prevented = match
                self._withdraw(account, maker)
            if ends:
                return ahead, match
        return request.lots, None

    def _first_own(
        self, account: TradingAccount, request: OrderRequest
    ) -> tuple[int, BinanceOrder | None]:
        """The first order of an account that a new one of it would trade with, and the lots of others before it."""
        rules = request.rules
        side = request.side
        own_orders = {
            order.slot: order
            for order in account.living.values()
            if order.rules is rules
            and order.side is not side
            and (not request.ticks or side.sign * (request.ticks - order.ticks) >= 0)
        }
        if not own_orders:
            return 0, None
        ahead = 0
        price = request.ticks or None
        for _, lots, number in self._exchange.would_fill(
            rules.instrument, side.sign, price, request.lots
        ):
            if number in own_orders:
                return ahead, own_orders[number]
            ahead += lots
        if ahead < request.lots and request.ticks and request.tif is TimeInForce.GTC:
            # It would come to rest across an own order that its own impact keeps it from: they would trade later.
            return ahead, min(own_orders.values(), key=lambda order: side.sign * order.ticks)
        return 0, None

    def _enter(self, order: BinanceOrder, account: TradingAccount, lots: int) -> None:
        name = self._new_name()
        self._order_of[name] = order
        self._name_of[order.order_id] = name
        passing = order.tif is not TimeInForce.GTC or order.kind is BinanceOrderType.MARKET
        passing = passing or lots < order.lots
        tif = o.Tif.IOC if passing else o.Tif.DAY
        price = order.ticks or None
        side = order.side.sign
        now = self._exchange.now_ns
        new = o.NewOrder(
            name, order.rules.instrument, side, lots, price, tif, order.account, "", now
        )
        refusal = self._command(new)
        if isinstance(refusal, o.Report):
            self._release(order, order.lots)
            order.status = Status.REJECTED
            self._forget(order)
            del account.orders[order.order_id], account.latest[order.client_id]
            raise order_rejection(f"{refusal.text[:1].upper()}{refusal.text[1:]}.")

    def _latest(self, order: BinanceOrder, name: str) -> None:
        account = self.account(order.account)
        if account.latest.get(order.client_id) is order:
            del account.latest[order.client_id]
        order.client_id = name
        account.latest[name] = order

    # -- orders that are there ----------------------------------------------------------------------------------------

    def find(
        self, account: TradingAccount, symbol: str, order_id: int | None, client_id: str
    ) -> BinanceOrder | None:
        """An order by number, by name, or by both where they agree.

        Raises
        ------
        BinanceError
            Number and name of different orders.
        """
        order = account.latest.get(client_id) if order_id is None else account.orders.get(order_id)
        if order is None or order.rules.symbol != symbol:
            return None
        if order_id is not None and client_id and order.client_id != client_id:
            raise BinanceError(
                ServerCode.WRONG_CLIENT_ORDER_ID,
                "Client order ID is not correct for this order ID.",
            )
        return order

    def query(
        self, account: TradingAccount, symbol: str, order_id: int | None, client_id: str
    ) -> BinanceOrder:
        """An order that has to be there.

        Raises
        ------
        BinanceError
            -2013.
        """
        if (order := self.find(account, symbol, order_id, client_id)) is None:
            raise BinanceError(ErrorCode.NO_SUCH_ORDER, NO_ORDER)
        return order

    def cancel(
        self,
        account: TradingAccount,
        symbol: str,
        order_id: int | None,
        client_id: str,
        name: str,
        restriction: str = "",
    ) -> dict[str, Any]:
        """Cancel an order; `restriction`: `cancelRestrictions`.

        Raises
        ------
        BinanceError
            -2011.
        """
        order = self.find(account, symbol, order_id, client_id)
        if order is None or not order.open:
            raise BinanceError(ErrorCode.CANCEL_REJECTED, UNKNOWN_ORDER)
        if restriction and restriction != f"ONLY_{order.status}":
            raise BinanceError(
                ErrorCode.CANCEL_REJECTED, "Order was not canceled due to cancel restrictions."
            )
        name = name or f"cancel{self._commands + 1:016d}"
        self._canceling = name, order.client_id
        try:
            self._withdraw(account, order)
        finally:
            self._canceling = "", ""
        if order.status is not Status.CANCELED:
            raise BinanceError(ErrorCode.CANCEL_REJECTED, UNKNOWN_ORDER)
        return order.cancel_answer(name, order.client_id)

    def _withdraw(self, account: TradingAccount, order: BinanceOrder) -> None:
        """Take an order out of the book; its report says why."""
        side = order.side.sign
        now = self._exchange.now_ns
        orig = self._name_of[order.order_id]
        self._command(
            o.CancelOrder(self._new_name(), orig, order.rules.instrument, side, account.name, now)
        )

    def amend(
        self, account: TradingAccount, order: BinanceOrder, lots: int, name: str
    ) -> dict[str, Any]:
        """Leave an order fewer lots in its place of the queue.

        Raises
        ------
        BinanceError
            -2038.
        """
        if not order.open:
            raise BinanceError(ErrorCode.AMEND_REJECTED, UNKNOWN_ORDER)
        if lots == order.lots or lots <= order.cum:
            raise BinanceError(
                ErrorCode.AMEND_REJECTED, "The requested action would change no state; rejecting."
            )
        if lots > order.lots:
            raise BinanceError(
                ErrorCode.AMEND_REJECTED, "Order amend (quantity increase) is not supported."
            )
        before = order.client_id
        behind = self._name_of[order.order_id]
        self._canceling = name or f"amend{self._commands + 1:016d}", before
        after = self._new_name()
        self._order_of[after] = order
        self._name_of[order.order_id] = after
        try:
            price = order.ticks
            now = self._exchange.now_ns
            instrument = order.rules.instrument
            side = order.side.sign
            self._command(
                o.ReplaceOrder(after, behind, instrument, side, lots, price, account.name, "", now)
            )
        finally:
            self._canceling = "", ""
            self._order_of.pop(behind, None)
        return order.amend_answer(self._executions, before)

    # -- conservation -------------------------------------------------------------------------------------------------

    def imbalance(self, name: str) -> dict[str, int]:
        """By asset: what an account holds less what deposits, fills, fees say; nothing where the books are right."""
        account = self.account(name)
        owed = dict[str, int]()
        for asset, amount in account.balances.deposited.items():
            owed[asset] = owed.get(asset, 0) + amount
        for fill in account.fills:
            rules = self.rules[fill.symbol]
            sign = fill.side.sign
            value = fill.lots * fill.ticks * rules.unit
            owed[rules.base] = owed.get(rules.base, 0) + sign * fill.lots * rules.lot
            owed[rules.quote] = owed.get(rules.quote, 0) - sign * value
            owed[fill.asset] -= fill.fee
        held = account.balances
        differences = {
            asset: held.free[asset] + held.locked[asset] - amount for asset, amount in owed.items()
        }
        for order in account.living.values():
            differences[f"locked {order.pays}"] = (
                differences.get(f"locked {order.pays}", 0) - order.locked
            )
        for asset in owed:
            key = f"locked {asset}"
            differences[key] = differences.get(key, 0) + held.locked[asset]
        return {key: amount for key, amount in differences.items() if amount}
