"""ccxt as it comes, at a server in Binance's words: `python foreign_ccxt.py URL KEY SECRET SYMBOL ORDERS`; prints JSON.

Only base URLs and options are set. It imports nothing of this project: it runs under an interpreter that has ccxt.
"""

import json
import random
import sys


def main() -> None:
    import ccxt  # the interpreter that runs this has it

    url, key, secret, symbol, count = sys.argv[1:]
    options = {"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot"}
    x = ccxt.binance(
        {"apiKey": key, "secret": secret, "enableRateLimit": False, "options": options}
    )
    for name in ("public", "private", "v1"):
        x.urls["api"][name] = f"{url}/api/v3"
    x.urls["api"]["sapi"] = f"{url}/sapi/v1"
    market = x.load_markets()[symbol]
    rng = random.Random(7)
    lot = market["precision"]["amount"]
    before = x.fetch_balance()["total"]
    made = []
    for _ in range(int(count)):
        book = x.fetch_order_book(symbol, 5)
        side = rng.choice(["buy", "sell"])
        best = book["bids" if side == "buy" else "asks"][0][0]
        amount = float(
            x.amount_to_precision(
                symbol, rng.randint(10, 60) * lot if lot < 1 else rng.randint(1, 60)
            )
        )
        kind = rng.choice(["rest", "take", "away", "swap"])
        if kind == "take":
            made.append(x.create_order(symbol, "market", side, amount)["id"])
        elif kind == "rest":
            made.append(x.create_order(symbol, "limit", side, amount, best)["id"])
        else:
            price = best * (0.99 if side == "buy" else 1.01)
            order = x.create_order(
                symbol, "limit", side, amount, float(x.price_to_precision(symbol, price))
            )
            made.append(order["id"])
            if kind == "swap":
                order = x.edit_order(order["id"], symbol, "limit", side, amount, order["price"])
                made.append(order["id"])
            x.cancel_order(order["id"], symbol)
        if len(x.fetch_open_orders(symbol)) > 50:
            x.cancel_all_orders(symbol)
    if x.fetch_open_orders(symbol):
        x.cancel_all_orders(symbol)

    def all_of(fetch, number):
        """Every row of a paged list, from the last number on: a trade with oneself has two rows of one number."""
        rows, first = {}, 1
        while True:
            page = {
                (row["id"], row.get("order")): row
                for row in fetch(symbol, None, 1000, {number: first})
            }
            if page.keys() <= rows.keys():
                return rows
            rows |= page
            first = max(int(one) for one, _ in page)

    orders, trades = all_of(x.fetch_orders, "orderId"), all_of(x.fetch_my_trades, "fromId")
    price = book["bids"][0][0]
    too_much = float(
        x.amount_to_precision(symbol, 1.5 * x.fetch_balance()["free"][market["quote"]] / price)
    )
    errors = {}
    for name, act in {
        "too_little": lambda: x.create_order(symbol, "limit", "buy", too_much, book["bids"][0][0]),
        "off_tick": lambda: x.private_post_order(
            {
                "symbol": market["id"],
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": 100,
                "price": f"{price:.6f}5",
            }
        ),
        "unknown": lambda: x.fetch_order("99999999", symbol),
        "gone": lambda: x.cancel_order(made[0], symbol),
        "post_only": lambda: x.create_order(
            symbol, "limit", "buy", 100 * lot, book["asks"][0][0] * 1.001, {"postOnly": True}
        ),
    }.items():
        try:
            act()
        except ccxt.BaseError as error:
            errors[name] = [type(error).__name__, str(error)]
    sys.stdout.write(
        json.dumps(
            {
                "version": ccxt.__version__,
                "made": len(made),
                "found": len(set(made) & {number for number, _ in orders}),
                "open": len(x.fetch_open_orders(symbol)),
                "filled": sum(row["filled"] > 0 for row in orders.values()),
                "trades": len(trades),
                "before": before,
                "after": x.fetch_balance()["total"],
                "bought": sum(
                    row["amount"] * (1 if row["side"] == "buy" else -1) for row in trades.values()
                ),
                "paid": sum(
                    row["cost"] * (1 if row["side"] == "buy" else -1) for row in trades.values()
                ),
                "fees": {
                    asset: sum(
                        row["fee"]["cost"]
                        for row in trades.values()
                        if row["fee"]["currency"] == asset
                    )
                    for asset in before
                },
                "errors": errors,
            }
        )
    )


if __name__ == "__main__":
    main()
