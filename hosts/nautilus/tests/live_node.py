"""A node at the simulated Binance exchange that works one parent order; it is killed and started again.

`python live_node.py URL KEY SECRET SYMBOL SIDE SIZE FOLDER STRATEGY HORIZON DECISIONS RECV_MS` says "working" as soon as the
parent is at work, and in the end a JSON object.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.identifiers import InstrumentId
from tercel_nautilus import KeptParent, TercelExecAlgorithm, TercelExecAlgorithmConfig
from tercel_nautilus.binance import recover
from tercel_nautilus.parents import OneParent, OneParentConfig


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


url, key, secret, symbol, side, size, folder, strategy, horizon, decisions, window = sys.argv[1:]
file = Path(folder, "parent.json")
if file.exists():
    kept = asyncio.run(recover(file, symbol, key, secret, url, int(window)))
    say(f"recovered {kept.executor.filled}")
name = InstrumentId.from_str(f"{symbol}.BINANCE")
base = {
    "api_key": key,
    "api_secret": secret,
    "base_url_http": url,
    "base_url_ws": url.replace("http", "ws"),
    "instrument_provider": InstrumentProviderConfig(load_ids=frozenset([name])),
}
node = TradingNode(
    TradingNodeConfig(
        trader_id="TESTER-001",
        logging=LoggingConfig(log_level=os.environ.get("LEVEL", "WARNING"), log_colors=False),
        exec_engine=LiveExecEngineConfig(inflight_check_threshold_ms=30_000),
        data_clients={BINANCE: BinanceDataClientConfig(**base)},
        exec_clients={BINANCE: BinanceExecClientConfig(recv_window_ms=int(window), **base)},
        timeout_post_stop=1.0,
        timeout_disconnection=2.0,
    )
)
algorithm = TercelExecAlgorithm(TercelExecAlgorithmConfig(state_folder=folder, levels=20))
parent = OneParent(
    OneParentConfig(
        instrument_id=name,
        side=side,
        size=size,
        at_ns=0,
        params={
            "name": "parent",
            "strategy": strategy,
            "horizon": f"{horizon}s",
            "decisions": int(decisions),
        },
    )
)
node.trader.add_strategy(parent)
node.trader.add_exec_algorithm(algorithm)
node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
node.build()


async def watch() -> None:
    while parent.primary is None:
        await asyncio.sleep(0.05)
    say("working")
    while not parent.ended:
        await asyncio.sleep(0.1)
    await node.stop_async()


loop = node.get_event_loop()
loop.create_task(watch())
try:
    node.run()
    kept = KeptParent.read(file)
    say(
        json.dumps(
            {
                "filled": str(kept.executor.filled),
                "left": str(kept.executor.left),
                "done": kept.executor.done,
                "executions": sorted(kept.executions, key=int),
            }
        )
    )
finally:
    node.dispose()
