"""Feed of Shenzhen's orders and trades by their documented format: no recording was at hand to try it on.

Every order is shown when it arrives, trades name both orders by their ApplSeqNum, and cancels come as trades of type 4 at
price 0. So an order that trades at once is shown before its trades. Here it rests with what they leave, behind them, as
Shanghai's stream has it: trades that follow an order of continuous trading at once, and name it, are its own.
A market order (type 1) rests with what is left at the price of its last trade, one at its own side's best price (U) there.
"""

from typing import Final

import polars as pl

from tercel.feeds.order_trade import CALLS, OPENS, Exchange, OrderTradeFeed
from tercel.feeds.order_trade_kernels import ADD, DELETE, TRADE

MARKET: Final = 3
OWN_BEST: Final = 4
_TRADED: Final = 0
_CANCELLED: Final = 1


def rest_after_matching(rows: pl.DataFrame) -> pl.DataFrame:
    """One symbol's rows in sequence, each order behind its immediate trades and with what they leave of it.

    Trades get their aggressor's side, 0 in an auction. Cancels become deletes; that of a market order's rest at once goes
    with it.
    An order that traded more than its shares has shares below 0.
    """
    what = pl.col("what")
    is_order = what != TRADE
    larger_id = pl.max_horizontal("buy", "sell")
    is_cancel = ~is_order & ((pl.col("side") == _CANCELLED) | (pl.col("price") == 0))
    rows = rows.with_columns(
        is_order=is_order,
        is_cancel=is_cancel,
        group=is_order.cum_sum(),
        latest=pl.when(is_order).then("seq").forward_fill(),
        latest_what=pl.when(is_order).then("what").forward_fill(),
        latest_ns=pl.when(is_order).then("ns").forward_fill(),
    )
    is_its_own = ~pl.col("is_order") & (larger_id == pl.col("latest"))
    continuous = pl.col("ns").is_between(OPENS, CALLS)
    follows = (pl.col("is_order") | is_its_own).shift() & (pl.col("ns") == pl.col("latest_ns"))
    rows = rows.with_columns(
        is_immediate=is_its_own & ~pl.col("is_cancel") & continuous,
        is_dropped=is_its_own & pl.col("is_cancel") & (pl.col("latest_what") == MARKET) & follows,
    )
    goes_at_once = pl.col("is_immediate") | pl.col("is_dropped")
    last_price = pl.col("price").filter("is_immediate").last().over("group").fill_null(0)
    gone = pl.col("lots").filter(goes_at_once).sum().over("group")
    is_bid = pl.col("buy") > pl.col("sell")
    sign = pl.when(is_bid).then(1).otherwise(-1).cast(pl.Int64)
    order_price = (
        pl.when(what == MARKET)
        .then(last_price)
        .when(what == OWN_BEST)
        .then(0)
        .otherwise(pl.col("price"))
    )
    rows = rows.with_columns(
        what=pl.when(is_order).then(ADD).when("is_cancel").then(DELETE).otherwise(TRADE),
        side=pl.when(is_order)
        .then("side")
        .when(pl.col("is_immediate") | pl.col("is_cancel"))
        .then(sign)
        .otherwise(0),
        price=pl.when(is_order).then(order_price).otherwise("price"),
        lots=pl.when(is_order).then(pl.col("lots") - gone).otherwise("lots"),
        place=pl.when(goes_at_once).then(0).when(is_order).then(1).otherwise(2),
        is_unpriced=(what == MARKET) & (last_price == 0),
    )
    left = rows.filter(~pl.col("is_dropped") & ~pl.col("is_unpriced") & (pl.col("lots") != 0))
    return left.sort("group", "place", maintain_order=True)


class ShenzhenFeed(OrderTradeFeed):
    """Shenzhen's orders and trades as a :class:`tercel.market.feed.Feed`.

    Examples
    --------
    >>> from tercel.feeds import FeedOptions
    >>> with ShenzhenFeed().days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    exchange = Exchange(
        name="shenzhen",
        venue="SZSE",
        types={"1": MARKET, "2": ADD, "U": OWN_BEST, "3": OWN_BEST},
        sides={"1": 1, "2": -1, "B": 1, "S": -1},
        flags={"F": _TRADED, "4": _CANCELLED, "0": _TRADED, "1": _CANCELLED},
        id=("ApplSeqNum",),
        flag=("ExecType", "TradeType"),
        settle=rest_after_matching,
        priced=(ADD,),
    )
