"""The simulated exchange in Binance's words, in this process, and nodes in others."""

import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

from exchange.binance.accounts import ApiKey
from exchange.binance.limits import RateLimits
from exchange.binance.opened import endow, lots_of_presets, open_exchange
from exchange.binance.serve import serve_binance
from tercel.core.pace import Pace
from tercel.core.system import MonotonicClock
from tercel.venues.exchange.named_markets import preset_markets

KEY, SECRET, TRADER, SYMBOL = "k" * 64, "s" * 64, "TRADER", "ETHBTC"
HERE = Path(__file__).parent
RECV_MS = 1_000


def served(seed=1):
    """A server of one market, in real time."""
    engine = open_exchange(
        preset_markets(["ethbtc"], seed),
        lots_of_presets(["ethbtc"]),
        wall_ns=time.time_ns(),
        fee=100_000,
    )
    endow(engine, TRADER, ())
    pace = Pace(MonotonicClock(), 1.0)
    pace.begin(engine.now_ns)
    free = RateLimits(
        weight=10**9, orders=10**9, orders_a_day=10**9, requests=10**9, messages=10**5
    )
    return serve_binance(
        engine, [ApiKey(KEY, TRADER, SECRET)], pace=pace, limits=free, listen_keys=True
    ).start()


def node(url, folder, side, size, strategy, horizon, decisions, log):
    """A process with a node that works one parent."""
    words = [KEY, SECRET, SYMBOL, side, size, folder, strategy, horizon, decisions, RECV_MS]
    return subprocess.Popen(
        [sys.executable, HERE / "live_node.py", url, *map(str, words)],
        stdout=log, stderr=log, cwd=HERE, env=os.environ | {"PYTHONPATH": str(HERE)},
    )  # fmt: skip


def fills_of(server):
    """The sizes of the account's executions by trade id, as the venue holds them."""
    rules = server.engine.rules[SYMBOL]
    fills = list(server.engine.account(TRADER).fills)
    assert len({fill.trade for fill in fills}) == len(fills)
    return {str(fill.trade): Decimal(rules.quantity(fill.lots)) for fill in fills}
