"""An order in Binance's words: its state, and the objects that tell it."""

from dataclasses import dataclass, field
from typing import Any, Final

from exchange.binance.symbols import SymbolRules
from exchange.binance.words import (
    WORKING,
    BinanceOrderType,
    BinanceSide,
    SelfTradePrevention,
    TimeInForce,
    ms,
)
from tercel.core import ONE
from tercel.venues.binance_venue import Status, format_amount

NO_GROUP: Final = -1
"""`tradeGroupId` of an account that is in no group."""


@dataclass(slots=True)
class BinanceFill:
    """A trade of an order: lots at a price in ticks; the fee in 1e-8 of what was received."""

    trade: int
    order_id: int
    symbol: str
    side: BinanceSide
    lots: int
    ticks: int
    fee: int
    asset: str
    ns: int
    maker: bool


@dataclass(slots=True)
class PreventedMatch:
    """Two orders of one account that did not trade with each other; lots 0 of the one that did not expire."""

    number: int
    rules: SymbolRules
    mode: SelfTradePrevention
    taker: int
    maker: int
    ticks: int
    """The price at which they would have traded."""
    lots: int
    """What they would have traded."""
    taker_lots: int
    maker_lots: int
    ns: int

    def row(self) -> dict[str, Any]:
        """A row of `myPreventedMatches`."""
        row = {
            "symbol": self.rules.symbol,
            "preventedMatchId": self.number,
            "takerOrderId": self.taker,
            "makerSymbol": self.rules.symbol,
            "makerOrderId": self.maker,
            "tradeGroupId": NO_GROUP,
            "selfTradePreventionMode": self.mode,
            "price": self.rules.price(self.ticks),
        }
        for name, lots in (("maker", self.maker_lots), ("taker", self.taker_lots)):
            if lots:
                row[f"{name}PreventedQuantity"] = self.rules.quantity(lots)
        return row | {"transactTime": ms(self.ns)}


@dataclass(slots=True)
class BinanceOrder:
    """State of an order.

    Parameters
    ----------
    order_id : int
        The exchange's number.
    client_id : str
        Its latest name.
    account : str
    rules : SymbolRules
    side, kind, tif
        As ordered.
    lots, ticks : int
        As ordered; ticks 0 for a market order.
    ns : int
        When it came, as clients see time.
    quote_qty : int
        `quoteOrderQty`, 1e-8 of the quote asset.
    """

    order_id: int
    client_id: str
    account: str
    rules: SymbolRules
    side: BinanceSide
    kind: BinanceOrderType
    tif: TimeInForce
    lots: int
    ticks: int
    ns: int
    quote_qty: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    """`strategyId` and `strategyType`, where they were sent."""
    status: Status = Status.NEW
    cum: int = 0
    """Lots filled."""
    value: int = 0
    """Ticks x lots filled."""
    update_ns: int = 0
    working_ns: int = 0
    expiry_reason: str = ""
    """`expiryReason`."""
    limit: int = 0
    """Ticks that it may trade at: those of a market order too, as far as the account's money goes; 0: any."""
    locked: int = 0
    """1e-8 set aside for it."""
    fills: list[BinanceFill] = field(default_factory=list)
    amendments: list[dict[str, Any]] = field(default_factory=list)
    """As `order/amendments` has them."""
    prevention: SelfTradePrevention = SelfTradePrevention.NONE
    prevented: PreventedMatch | None = None
    """Why it expired in a match."""
    slot: int = -1
    """Its number in market data by order."""

    @property
    def open(self) -> bool:
        """Whether it may trade."""
        return self.status in WORKING

    @property
    def leaves(self) -> int:
        """Lots that may trade."""
        return self.lots - self.cum if self.open else 0

    @property
    def pays(self) -> str:
        """The asset that it pays with."""
        return self.rules.quote if self.side is BinanceSide.BUY else self.rules.base

    @property
    def gets(self) -> str:
        """The asset that it buys."""
        return self.rules.base if self.side is BinanceSide.BUY else self.rules.quote

    def ack(self) -> dict[str, Any]:
        """`newOrderRespType` ACK."""
        return {
            "symbol": self.rules.symbol,
            "orderId": self.order_id,
            "orderListId": -1,
            "clientOrderId": self.client_id,
            "transactTime": ms(self.update_ns),
        }

    def _state(self) -> dict[str, Any]:
        return {
            "price": self.rules.price(self.ticks),
            "origQty": self.rules.quantity(self.lots),
            "executedQty": self.rules.quantity(self.cum),
            "origQuoteOrderQty": format_amount(self.quote_qty),
            "cummulativeQuoteQty": format_amount(self.value * self.rules.unit),
            "status": self.status,
            "timeInForce": self.tif,
            "type": self.kind,
            "side": self.side,
        }

    def _optional_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"expiryReason": self.expiry_reason} if self.expiry_reason else {}
        if self.prevented is not None:
            fields["preventedMatchId"] = self.prevented.number
            fields["preventedQuantity"] = self.rules.quantity(self.lots - self.cum)
        return self.labels | fields

    def result(self) -> dict[str, Any]:
        """`newOrderRespType` RESULT."""
        last = {"workingTime": ms(self.working_ns), "selfTradePreventionMode": self.prevention}
        return self.ack() | self._state() | last | self._optional_fields()

    def full(self) -> dict[str, Any]:
        """`newOrderRespType` FULL."""
        return self.result() | {"fills": [self._fill(fill) for fill in self.fills]}

    def _fill(self, fill: BinanceFill) -> dict[str, Any]:
        return {
            "price": self.rules.price(fill.ticks),
            "qty": self.rules.quantity(fill.lots),
            "commission": format_amount(fill.fee),
            "commissionAsset": fill.asset,
            "tradeId": fill.trade,
        }

    def query(self) -> dict[str, Any]:
        """The answer to a question."""
        return {
            "symbol": self.rules.symbol,
            "orderId": self.order_id,
            "orderListId": -1,
            "clientOrderId": self.client_id,
            **self._state(),
            "stopPrice": format_amount(0),
            "icebergQty": format_amount(0),
            "time": ms(self.ns),
            "updateTime": ms(self.update_ns),
            "isWorking": self.working_ns > 0,
            "workingTime": ms(self.working_ns),
            "selfTradePreventionMode": self.prevention,
            **self._optional_fields(),
        }

    def cancel_answer(self, name: str, original: str) -> dict[str, Any]:
        """The answer to a cancel that was called `name`."""
        head = {"symbol": self.rules.symbol, "origClientOrderId": original}
        last = {"selfTradePreventionMode": self.prevention} | self._optional_fields()
        return head | self.ack() | {"clientOrderId": name} | self._state() | last

    def amend_answer(self, execution: int, original: str) -> dict[str, Any]:
        """The answer to an amendment."""
        state = self._state()
        return {
            "transactTime": ms(self.update_ns),
            "executionId": execution,
            "amendedOrder": {
                "symbol": self.rules.symbol,
                "orderId": self.order_id,
                "orderListId": -1,
                "origClientOrderId": original,
                "clientOrderId": self.client_id,
                "price": state["price"],
                "qty": state["origQty"],
                "executedQty": state["executedQty"],
                "preventedQty": format_amount(0),
                "quoteOrderQty": format_amount(self.quote_qty),
                "cumulativeQuoteQty": state["cummulativeQuoteQty"],
                "status": self.status,
                "timeInForce": self.tif,
                "type": self.kind,
                "side": self.side,
                "workingTime": ms(self.working_ns),
                "selfTradePreventionMode": self.prevention,
            },
        }

    def amendment(self, execution: int, original: str, lots: int) -> dict[str, Any]:
        """A row of `order/amendments`; `original`, `lots`: before the change."""
        return {
            "symbol": self.rules.symbol,
            "orderId": self.order_id,
            "executionId": execution,
            "origClientOrderId": original,
            "newClientOrderId": self.client_id,
            "origQty": self.rules.quantity(lots),
            "newQty": self.rules.quantity(self.lots),
            "time": ms(self.update_ns),
        }

    def report(
        self,
        exec_type: str,
        execution: int,
        now_ns: int,
        fill: BinanceFill | None = None,
        name: str = "",
        original: str = "",
    ) -> dict[str, Any]:
        """An `executionReport`; `name` is a cancel's, `original` what the order was called before."""
        rules = self.rules
        event = {
            "e": "executionReport",
            "E": ms(now_ns),
            "s": rules.symbol,
            "c": name or self.client_id,
            "S": self.side,
            "o": self.kind,
            "f": self.tif,
            "q": rules.quantity(self.lots),
            "p": rules.price(self.ticks),
            "P": format_amount(0),
            "F": format_amount(0),
            "g": -1,
            "C": original,
            "x": exec_type,
            "X": self.status,
            "r": "NONE",
            "i": self.order_id,
            "l": rules.quantity(fill.lots if fill else 0),
            "z": rules.quantity(self.cum),
            "L": rules.price(fill.ticks if fill else 0),
            "n": format_amount(fill.fee) if fill else "0",
            "N": fill.asset if fill else None,
            "T": ms(self.update_ns),
            "t": fill.trade if fill else -1,
            "I": execution,
            "w": self.open,
            "m": bool(fill and fill.maker),
            "M": False,
            "O": ms(self.ns),
            "Z": format_amount(self.value * rules.unit),
            "Y": format_amount(fill.lots * fill.ticks * rules.unit if fill else 0),
            "Q": format_amount(self.quote_qty),
            "V": self.prevention,
        }
        if (match := self.prevented) is not None:
            unfilled = rules.quantity(self.lots - self.cum)
            event |= {"v": match.number, "A": unfilled, "B": unfilled, "u": NO_GROUP}
            event["U"] = match.maker if match.taker == self.order_id else match.taker
            event |= {"Cs": rules.symbol, "pl": rules.quantity(match.lots)}
            event["pL"] = rules.price(match.ticks)
            event["pY"] = format_amount(match.lots * match.ticks * rules.unit)
        if self.working_ns:
            event["W"] = ms(self.working_ns)
        if "strategyId" in self.labels:
            event["j"] = self.labels["strategyId"]
        if "strategyType" in self.labels:
            event["J"] = self.labels["strategyType"]
        return event | ({"eR": self.expiry_reason} if self.expiry_reason else {})


def own_trade(fill: BinanceFill, rules: SymbolRules) -> dict[str, Any]:
    """A row of `myTrades`."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": rules.price(fill.ticks),
        "qty": rules.quantity(fill.lots),
        "quoteQty": format_amount(fill.lots * fill.ticks * rules.unit),
        "commission": format_amount(fill.fee),
        "commissionAsset": fill.asset,
        "time": ms(fill.ns),
        "isBuyer": fill.side is BinanceSide.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def fee_of(amount: int, rate: int) -> int:
    """Fee at a rate of 1e-8 of an amount of 1e-8, rounded down.

    >>> fee_of(100_000_000, 100_000)
    100000
    """
    return amount * rate // ONE
