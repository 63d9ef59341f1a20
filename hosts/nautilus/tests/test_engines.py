"""Taking orders in Nautilus' backtest and in the replay here, and the command that compares them."""

import json
import subprocess
import sys
from collections import Counter
from decimal import Decimal

import days
import pytest
from tercel_nautilus.backtest import ParentOrder, backtest
from tercel_nautilus.beside import SAME, TWICE, beside
from tercel_nautilus.compare import compare
from tercel_nautilus.days import day_of

from tercel.feeds import export_nautilus
from tercel.market.tape import Lake

START = days.OPEN + 3000 * 10**9
ORDER = {
    "symbol": days.SYMBOL, "date": days.DATE, "start_ns": START, "side": "buy", "lots": 1000, "horizon_s": 600,
    "decisions": 10, "strategy": "twap_take", "latency_ns": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    days.lake_of(folder)
    return folder


def test_taking_orders_fill_as_in_the_replay_or_twice_what_was_shown_once(lake):
    rows = beside(lake, [days.SYMBOL], 1, 6, seed=3)
    causes = Counter(row["cause"] for row in rows)
    assert set(causes) <= {SAME, TWICE}
    assert causes[SAME] >= len(rows) // 2
    for row in rows:
        assert row["error"] is None
        assert row["tercel"]["shares"] == row["nautilus"]["shares"] == row["lots"]
        if row["cause"] == SAME:  # Nautilus rounds the fee of each fill to a cent
            cents = abs(Decimal(row["tercel"]["fees"]) - Decimal(row["nautilus"]["fees"])) * 100
            assert cents <= Decimal("0.5") * (row["nautilus"]["report"]["filled"] + 1)
            assert row["tercel"]["cost_bps"] == row["nautilus"]["cost_bps"]
        if row["strategy"] == "immediate":
            assert row["cause"] == SAME


def test_results_add_up_to_nautilus_own_accounts(lake):
    (found,) = compare([ORDER], lake)
    assert found["filled_lots"] == 1000 == sum(lots for *_, lots in found["fills"])
    paid = sum(Decimal(price) * lots for _, price, lots in found["fills"])
    assert Decimal(found["paid"]) == paid
    (position,) = found["report"]["positions"]
    assert position["quantity"] == "1000"
    assert position["avg_px"] == pytest.approx(float(paid / 1000), rel=1e-12)
    assert found["report"]["filled"] == len(found["fills"])


def test_what_is_wrong_with_one_order_stays_with_it(lake):
    late = ORDER | {"start_ns": days.CLOSE}
    found = compare([ORDER | {"side": "up"}, {"symbol": "TOY"}, late, ORDER], lake)
    assert [bool(one["error"]) for one in found] == [True, True, True, False]
    assert [one["order"] for one in found] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "says"), [("{", "JSON list"), ("{}", "JSON list"), (None, "JSON list")]
)
def test_bad_input_ends_with_2_and_writes_nothing(lake, tmp_path, text, says):
    orders, out = tmp_path / "orders.json", tmp_path / "out.json"
    if text is not None:
        orders.write_text(text)
    words = ["--orders", orders, "--export", lake, "--out", out]
    done = subprocess.run(
        [sys.executable, "-m", "tercel_nautilus.compare", *words], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_the_command_writes_what_the_function_gives(lake, tmp_path):
    orders, out = tmp_path / "orders.json", tmp_path / "out.json"
    orders.write_text(json.dumps([ORDER]))
    words = ["--orders", orders, "--export", lake, "--out", out]
    subprocess.run([sys.executable, "-m", "tercel_nautilus.compare", *words], check=True)
    assert json.loads(out.read_text()) == json.loads(json.dumps(compare([ORDER], lake)))


@pytest.mark.parametrize("strategy", ["twap_repeg", "guarded"])
def test_resting_strategies_work_their_parent_to_the_end(lake, strategy):
    instrument, data = day_of(lake, days.SYMBOL, days.DATE)
    parent = ParentOrder("sell", 2000, START, 600.0, 20, strategy)
    ran, engine = backtest(instrument, data, parent)
    try:
        assert ran.ended
        assert sum(int(fill.last_qty) for fill in ran.fills) == 2000
        assert not engine.cache.orders_open()
    finally:
        engine.dispose()


def test_an_export_gives_what_its_lake_gives(lake, tmp_path):
    export_nautilus.write(
        *Lake(lake).read(days.SYMBOL, days.DATE),
        tmp_path / "tape" / f"{days.SYMBOL}_{days.DATE}.parquet",
    )
    orders = [ORDER | {"strategy": name} for name in ("twap_take", "twap_repeg")]
    assert compare(orders, tmp_path) == compare(orders, lake)
