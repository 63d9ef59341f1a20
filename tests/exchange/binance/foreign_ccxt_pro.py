"""ccxt.pro as it comes, at a server in Binance's words: `python foreign_ccxt_pro.py URL KEY SECRET SYMBOL ORDERS`.

It trades over the WebSocket API while it watches books, trades and its own orders; prints JSON. Base URLs are set.
"""

import asyncio
import collections
import json
import sys
from contextlib import suppress


async def main() -> None:
    import ccxt.pro

    url, key, secret, symbol, count = sys.argv[1:]
    options = {"fetchMarkets": {"types": ["spot"]}, "defaultType": "spot"}
    x = ccxt.pro.binance({"apiKey": key, "secret": secret, "options": options})
    for name in ("public", "private", "v1"):
        x.urls["api"][name] = f"{url}/api/v3"
    x.urls["api"]["sapi"] = f"{url}/sapi/v1"
    x.urls["api"]["ws"]["spot"] = f"{url}/ws".replace("http", "ws")
    x.urls["api"]["ws"]["ws-api"]["spot"] = f"{url}/ws-api/v3".replace("http", "ws")
    seen, heard, made, news = collections.Counter(), set(), set(), asyncio.Event()

    async def watch(name, call):
        while True:
            rows = await call(symbol)
            seen[name] += 1
            if name == "orders":
                heard.update(row["id"] for row in rows)
            elif name == "book":
                assert rows["bids"][0][0] < rows["asks"][0][0]
            news.set()

    names = {"book": x.watch_order_book, "trades": x.watch_trades, "orders": x.watch_orders}
    tasks = [asyncio.create_task(watch(name, call)) for name, call in names.items()]
    for one in tasks:
        one.add_done_callback(lambda _: news.set())

    async def until(holds):
        while not any(one.done() for one in tasks) and not holds():
            news.clear()
            await news.wait()

    await until(lambda: seen["book"] >= 2)
    for number in range(int(count)):
        bid = (await x.fetch_order_book(symbol, 5))["bids"][0][0]
        if number % 2:
            order = await x.create_order_ws(symbol, "market", "buy", 20)
        else:
            order = await x.create_order_ws(symbol, "limit", "buy", 20, bid)
            with suppress(ccxt.OrderNotFound):  # it may trade before the cancel is there
                await x.cancel_order_ws(order["id"], symbol)
        made.add(order["id"])
    await until(lambda: made <= heard and seen["trades"])
    failed = [repr(one.exception()) for one in tasks if one.done()]
    for one in tasks:
        one.cancel()
    await x.close()
    sys.stdout.write(
        json.dumps({"made": len(made), "heard": len(made & heard), "seen": seen, "failed": failed})
    )


if __name__ == "__main__":
    asyncio.run(main())
