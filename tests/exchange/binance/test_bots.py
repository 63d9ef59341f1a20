"""Bots that people run, as they come, at `tercel venue serve`: freqtrade and nautilus_trader, two minutes each.

All their connections are cut half-way. They are where `make bots` puts them, each with a Python of its own.
"""

import json
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.exchange.binance.client import Rest
from tests.exchange.binance.conftest import KEY, SECRET
from tests.exchange.binance.foreign_freqtrade import configuration
from tests.fix.relay import Relay
from tests.waiting import until

HERE = Path(__file__).parent
SYMBOL = "ETHBTC"
RUN_S, BAR_S = 120.0, "5"
PATIENCE_S = 900
"""On a machine that does other things a bot takes minutes to begin and to end."""


@pytest.fixture
def cutting() -> Iterator[Callable[[int], tuple[str, list[float]]]]:
    """Relays before a port whose connections break now and then: its URL, and when they were cut."""
    over = threading.Event()

    def relay(port: int) -> tuple[str, list[float]]:
        one, cuts = Relay(port), list[float]()

        def cut() -> None:
            while not over.wait(RUN_S / 2):
                one.cut()
                cuts.append(time.monotonic())
            one.close()

        threading.Thread(target=cut, daemon=True).start()
        return f"http://127.0.0.1:{one.port}", cuts

    yield relay
    over.set()


def at_server(server: Any) -> dict[str, tuple[str, str, str]]:
    """By order: side, what was filled, the client's name, as the account's own questions are answered."""
    rows = Rest(server).signed("GET", "/api/v3/allOrders", symbol=SYMBOL, limit=1000).json()
    return {
        str(row["orderId"]): (row["side"], row["executedQty"], row["clientOrderId"]) for row in rows
    }


def signed(rows: Any) -> Decimal:
    """Purchases less sales."""
    return sum(
        (Decimal(amount) * (1 if side.lower() == "buy" else -1) for side, amount in rows),
        Decimal(0),
    )


@pytest.mark.release
def test_freqtrade_trades_and_its_book_is_ours(served, bots, cutting, tmp_path) -> None:
    program = bots("freqtrade").with_name("freqtrade")
    server = served("ethbtc")
    url, cuts = cutting(server.port)
    (tmp_path / "strategies").mkdir()
    shutil.copy(HERE / "foreign_freqtrade.py", tmp_path / "strategies" / "restless.py")
    (tmp_path / "config.json").write_text(json.dumps(configuration(url, KEY, SECRET, "ETH/BTC")))
    command = [
        str(program), "trade", "--config", "config.json", "--strategy", "Restless", "--strategy-path", "strategies",
        "--userdir", ".", "--db-url", "sqlite:///trades.sqlite",
    ]  # fmt: skip
    account = server.engine.account("TRADER")
    with (tmp_path / "said").open("w") as log:
        bot = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, text=True)
        try:
            until(lambda: account.orders, PATIENCE_S, "its first order")
            ends = server.engine.now_ns + round(RUN_S * 1e9)
            until(
                lambda: server.engine.now_ns > ends and account.fills,
                PATIENCE_S,
                "two minutes and a fill",
            )
        finally:
            bot.send_signal(signal.SIGINT)
            bot.wait(PATIENCE_S)
    said = (tmp_path / "said").read_text()
    with sqlite3.connect(tmp_path / "trades.sqlite") as book:
        mine = book.execute(
            "select order_id, ft_order_side, coalesce(filled, 0) from orders"
        ).fetchall()
    ours = at_server(server)
    assert server.engine.imbalance("TRADER") == {}
    assert mine
    assert cuts
    for number, side, filled in mine:
        assert ours[number][0].lower() == side
        assert float(ours[number][1]) == pytest.approx(filled, abs=1e-9), said[-3000:]
    known = {number for number, *_ in mine}
    unknown = [
        amount for number, (_, amount, _) in ours.items() if number not in known and float(amount)
    ]
    assert len(unknown) <= said.count("Could not place") + 1, said[
        -3000:
    ]  # it never asks after a request that was cut


@pytest.mark.release
def test_nautilus_trades_what_it_tested_before_and_its_positions_are_ours(
    served, bots, cutting
) -> None:
    python = str(bots("nautilus"))
    script = str(HERE / "foreign_nautilus.py")

    def said(*words: str) -> Any:
        done = subprocess.run(
            [python, script, *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    before = served("ethbtc", speed=120.0)
    until(lambda: len(before.engine.markets[SYMBOL].trades) > 3000, PATIENCE_S)
    proven = said("backtest", before.url, SYMBOL, BAR_S)
    assert proven["orders"] == proven["filled"] > 0
    before.close()
    server = served("ethbtc")
    url, cuts = cutting(server.port)
    told = said("trade", url, KEY, SECRET, SYMBOL, str(RUN_S), "0.0002", BAR_S)
    ours = at_server(server)
    by_name = {name: (side, amount) for side, amount, name in ours.values()}
    assert server.engine.imbalance("TRADER") == {}
    assert cuts
    assert told["fills"] > 0
    assert signed(by_name.values()) == signed(
        (side, amount) for side, amount, _ in told["orders"].values()
    )
    rows = Rest(server).signed("GET", "/api/v3/account").json()["balances"]
    held = {row["asset"]: Decimal(row["free"]) + Decimal(row["locked"]) for row in rows}
    assert {asset: Decimal(amount) for asset, amount in told["balances"].items()} == held
