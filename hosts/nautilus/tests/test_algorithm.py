"""What the algorithm does with parents that it cannot work, or no longer, and with reports that are not to be."""

import base64
import json
from decimal import Decimal

import days
import pytest
from nautilus_trader.model.enums import OrderStatus
from tercel_nautilus import KeptParent, backtest as b
from tercel_nautilus.days import day_of
from tercel_nautilus.parents import OneParent

import tercel as tc
from tercel.core.errors import TercelError

START = days.OPEN + 3000 * 10**9
PARENT = b.ParentOrder("buy", 2000, START, 600.0, 20, "twap_take")


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    days.lake_of(folder)
    return day_of(folder, days.SYMBOL, days.DATE)


@pytest.mark.parametrize("horizon", [0.0, -5.0])
def test_a_parent_that_is_none_is_closed_and_nothing_is_sent(day, horizon):
    ran, engine = b.backtest(*day, b.ParentOrder("buy", 2000, START, horizon, 20, "twap_repeg"))
    assert ran.ended
    assert len(engine.cache.orders()) == 1
    engine.dispose()


def test_a_limit_price_is_never_passed(day):
    worst = Decimal("10.00")
    parent = b.ParentOrder("buy", 2000, START, 600.0, 20, "twap_take", limit_price=str(worst))
    ran, engine = b.backtest(*day, parent)
    assert all(fill.last_px.as_decimal() <= worst for fill in ran.fills)
    assert sum(int(fill.last_qty) for fill in ran.fills) <= 2000
    assert not engine.cache.orders_open()
    engine.dispose()


def test_a_parent_that_its_strategy_cancels_leaves_no_order(day, monkeypatch):
    def on_order_filled(self, event):
        self.fills.append(event)
        if not self.primary.is_closed:
            self.cancel_order(self.primary)

    monkeypatch.setattr(OneParent, "on_order_filled", on_order_filled)
    ran, engine = b.backtest(*day, PARENT)
    assert ran.primary.status == OrderStatus.CANCELED
    assert not engine.cache.orders_open()
    assert 0 < sum(int(fill.last_qty) for fill in ran.fills) < 2000
    assert len({fill.client_order_id for fill in ran.fills}) == 1
    engine.dispose()


def executor():
    made = tc.Executor(
        "twap_take", tc.Instrument("X", "0.01"), tc.Parent("buy", 600, "60s", decisions=6)
    )
    made.on_book(0, [(9.99, 500)], [(10.01, 800)])
    made.on_book(10**10, [(9.99, 400)], [(10.01, 800)])
    return made, made.commands(10**10)[0]


def test_a_kept_parent_is_read_as_it_was_and_an_execution_counts_once(tmp_path):
    made, place = executor()
    kept = KeptParent(made, "twap_take", tmp_path / "p.json")
    kept.sent("O-1", place.name, 10**10)
    kept.write()
    for read in kept, KeptParent.read(tmp_path / "p.json"):
        assert read.open.keys() == {"O-1"}
        told = ["O-1", "T1", 11 * 10**9, Decimal("10.01"), Decimal(60), False]
        assert read.execution(*told)
        assert not read.execution(*told)
        assert read.executor.filled == 60
    again = KeptParent.read(tmp_path / "p.json")
    assert again.executor.filled == 0
    assert {file.name for file in tmp_path.iterdir()} == {"p.json"}


@pytest.mark.parametrize(
    "text", ["", "{}", '{"version": 1}', json.dumps({"executor": "!", "strategy": 1})]
)
def test_a_file_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(TercelError):
        KeptParent.read(tmp_path / "p.json")


def test_bytes_of_another_strategy_are_refused(tmp_path):
    made, _ = executor()
    state = {
        "strategy": "immediate", "executor": base64.b64encode(made.save()).decode(), "open": {}, "executions": [],
        "last_ns": 0,
    }  # fmt: skip
    (tmp_path / "p.json").write_text(json.dumps(state))
    with pytest.raises(TercelError, match="twap_take"):
        KeptParent.read(tmp_path / "p.json")
