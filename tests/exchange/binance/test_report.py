"""The report of a run: its money is what the account paid, whatever a lot is."""

import json
from itertools import pairwise

import numpy as np
import pytest
from tests.exchange.binance.conftest import MARKET, bench_of

from exchange.binance.opened import twin
from exchange.binance.public import MarketRecord
from exchange.binance.report import (
    expired_rows,
    middles,
    settled_blocks,
    summarize,
    venue_report,
    write_tape,
)
from tercel.core.fixed_point import ONE
from tercel.market.tape import Lake
from tercel.venues.exchange.named_markets import preset_markets


@pytest.mark.parametrize(
    ("name", "lots"),
    [(MARKET, 2000), ("ethbtc", 200), pytest.param("ethbtc", 2000, marks=pytest.mark.release)],
)
def test_costs_are_in_the_money_that_was_paid(name, lots, tmp_path) -> None:
    bench = bench_of(name)
    bench.go_on(60)
    for _ in range(5):
        bench.place(kind="MARKET", lots=lots)
        bench.go_on(20)
    alone = twin(bench.engine, preset_markets([name], 1))
    venue_report(bench.engine, alone, bench.account.name, tmp_path)
    found = json.loads((tmp_path / "report.json").read_text())
    total, rules = found["costs"]["total"], bench.engine.rules[bench.symbol]
    paid = sum(fill.lots * fill.ticks for fill in bench.account.fills) * rules.unit / ONE
    fees = sum(fill.fee * fill.ticks * rules.tick for fill in bench.account.fills) / ONE / ONE
    bought = sum(fill.lots for fill in bench.account.fills) * rules.lot / ONE
    (parent,) = found["costs"]["parents"]
    assert parent["average_price"] == pytest.approx(paid / bought)
    assert float(found["symbols"][bench.symbol]["bought"]["value"]) == pytest.approx(paid)
    assert total["money"]["fees"] == pytest.approx(fees, rel=1e-3)
    cost = total["money"]["whole"] - total["money"]["fees"]
    assert cost == pytest.approx(paid - parent["arrival_price"] * bought, rel=1e-6)
    assert total["is_bps"] == pytest.approx(
        1e4 * total["money"]["whole"] / total["notional"], rel=1e-6
    )
    ended = [one for one in bench.account.orders.values() if one.status == "EXPIRED"]
    left = found["symbols"][bench.symbol]["expired"]
    assert left["orders"] == len(ended)
    assert float(left["quantity"]) * ONE == pytest.approx(
        sum(one.lots - one.cum for one in ended) * rules.lot
    )
    assert left["reasons"] == ({"INSUFFICIENT_LIQUIDITY": len(ended)} if ended else {})
    page = (tmp_path / "report.html").read_text()
    assert ("Orders that expired" in page) == bool(ended)


def test_what_expired_is_in_the_report_with_its_reason() -> None:
    bench = bench_of("ethbtc")
    order = bench.place(kind="MARKET", lots=40_000)
    assert order.status == "EXPIRED"
    found = {bench.symbol: summarize(bench.account, bench.engine.rules[bench.symbol])}
    unfilled = f"{(order.lots - order.cum) / 1e2:g}"
    assert expired_rows(found) == [("ETHBTC: 1", unfilled, "INSUFFICIENT_LIQUIDITY (1)")]


def test_a_record_in_parts_is_the_record(tmp_path) -> None:
    bench = bench_of()
    whole, parts = MarketRecord(10**6), MarketRecord(7)
    opening = np.concatenate(list(bench.market.record.blocks())).tolist()
    bench.market.record = Both(whole, parts)
    for row in opening:
        bench.market.record.add(*row)
    bench.go_on(1)
    for _ in range(10):
        bench.place(kind="MARKET", lots=500)
        bench.go_on(20)
    told = np.concatenate(list(settled_blocks(whole)))
    again = list(settled_blocks(parts))
    assert len(again) > 20
    assert np.concatenate(again).tolist() == told.tolist()
    assert all(one[-1, 0] < other[0, 0] for one, other in pairwise(again))
    made = []
    for number, record in enumerate((whole, parts)):
        bench.market.record = record
        write_tape(tmp_path / str(number), bench.market)
        lake = Lake(tmp_path / str(number))
        (day,) = lake.list()
        made.append((day.content_hash, middles(bench.market).tolist()))
    assert made[0] == made[1]


class Both:
    """Two records of the same."""

    def __init__(self, *records: MarketRecord) -> None:
        self.records = records

    def add(self, *row: int) -> None:
        for one in self.records:
            one.add(*row)
