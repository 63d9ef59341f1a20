"""Other people's clients as they come, at our server: ccxt, schemathesis.

They are where `make peers` puts them, with a Python of their own.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.exchange.binance.client import Rest
from tests.exchange.binance.conftest import KEY, MARKET, SECRET

HERE = Path(__file__).parent


def run(python: str, *arguments: str) -> str:
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, timeout=900, check=False, env={}
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    ("market", "symbol", "orders"),
    [
        ("ethbtc", "ETH/BTC", 60),
        pytest.param(MARKET, "CSCO/USDT", 1700, marks=pytest.mark.long),
    ],
)
def test_ccxt_trades_and_its_books_are_ours(
    served, exchange_clients, market, symbol, orders
) -> None:
    server = served(market)
    told: dict[str, Any] = json.loads(
        run(
            str(exchange_clients),
            str(HERE / "foreign_ccxt.py"),
            server.url,
            KEY,
            SECRET,
            symbol,
            str(orders),
        )
    )
    assert told["made"] >= (2000 if orders > 1000 else orders)
    assert told["found"] == told["made"]
    assert (told["open"], told["filled"] > 0) == (0, True)
    account = server.engine.account("TRADER")
    assert server.engine.imbalance("TRADER") == {}
    assert len(account.orders) == told["made"]
    rules = next(iter(server.engine.rules.values()))
    assert told["trades"] == len({(one.trade, one.order_id) for one in account.fills})
    for asset, moved in ((rules.base, told["bought"]), (rules.quote, -told["paid"])):
        ours = account.balances.free[asset] / 10**8
        assert told["after"][asset] == pytest.approx(ours, abs=1e-6)
        assert told["after"][asset] == pytest.approx(
            told["before"][asset] + moved - told["fees"][asset], abs=1e-6
        )
    wanted = {
        "too_little": ("InsufficientFunds", "insufficient balance"),
        "off_tick": ("InvalidOrder", "-1013"),
        "unknown": ("OrderNotFound", "-2013"),
        "gone": ("OrderNotFound", "-2011"),
        "post_only": ("OrderImmediatelyFillable", "immediately match"),
    }
    for name, (kind, words) in wanted.items():
        assert told["errors"][name][0] == kind, told["errors"][name]
        assert words in told["errors"][name][1]


@pytest.mark.release
def test_schemathesis_finds_no_request_that_breaks_the_server(
    served, exchange_clients, shared_peers, tmp_path
) -> None:
    server = served()
    schema = shared_peers / "binance" / "spot_api.yaml"
    judge = str(exchange_clients.with_name("schemathesis"))
    command = [
        judge, "run", str(schema), "--url", server.url, "--include-path-regex", "^/api/v3/", "--checks",
        "not_a_server_error", "--phases", "fuzzing", "--max-examples", "150", "--seed", "1", "--header",
        f"X-MBX-APIKEY: {KEY}", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1500, check=False, cwd=tmp_path
    )
    assert server.requests > 5_000, done.stdout[-3000:]
    assert done.returncode == 0, done.stdout[-4000:]
    assert Rest(server).ask("GET", "/api/v3/ping").status_code == 200
