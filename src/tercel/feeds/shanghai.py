"""Feed of Shanghai's orders and trades, in the columns of two vendors; the exchange's snapshots check it (`verify_snapshots`).

The order stream shows only what is left of an order after immediate matching: an aggressor that fills at once is seen in
its trades alone (B or S names it), so a trade takes from the resting order alone. A trade of an auction (N, 0) takes from
both. Limits of aggressors and market orders are not told.
"""

from tercel.feeds.order_trade import Exchange, OrderTradeFeed
from tercel.feeds.order_trade_kernels import ADD, DELETE


class ShanghaiFeed(OrderTradeFeed):
    """Shanghai's orders and trades as a :class:`tercel.market.feed.Feed`.

    Examples
    --------
    >>> from tercel.feeds import FeedOptions
    >>> with ShanghaiFeed().days([], FeedOptions()) as days:
    ...     len(days)
    0
    """

    exchange = Exchange(
        name="shanghai",
        venue="SSE",
        types={"A": ADD, "D": DELETE, "2": ADD, "10": DELETE},
        sides={"B": 1, "S": -1, "1": 1, "2": -1},
        flags={"B": 1, "S": -1, "N": 0, "1": 1, "2": -1, "0": 0},
        id=("OrderNO",),
        flag=("TradeBSFlag",),
        settle=lambda rows: rows,
    )
