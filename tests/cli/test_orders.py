"""An order of one's own, and a list of them, as typed: what is refused, where they are judged, what the table says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import done, refused, tercel

import tercel as tc
from tercel.api.orders import read_orders
from tercel.api.runs import Run
from tercel.core.errors import TercelError
from tercel.execution import step as kernels
from tercel.execution.market import Market
from tercel.execution.orders import Order, assign_days
from tercel.execution.task import Task
from tercel.lab.evaluation.market import build_market, cached_market
from tercel.lab.evaluation.pipeline.judged_tables import judged_table
from tercel.lab.evaluation.pipeline.leaks import judged_days
from tercel.lab.evaluation.scenario import Scenario, scenarios_of_orders
from tercel.market.simulator.days import DAYS, simulated_lake
from tercel.market.tape import Lake

MINUTE_NS = 60 * 10**9


LIST = """\ufeffsymbol;side;quantity;limit;time;horizon
SIM;buy;40;;2003-01-14 10:00;20min
TWO;SELL;30;;2003-01-13T10:30:00;600

SIM;b;25;;10:45;0.5h
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated days of two hours of SIM, one of TWO."""
    lake = simulated_lake(tmp_path_factory.mktemp("lake"), 2)
    instrument, events = lake.read("SIM", DAYS[0])
    lake.write(replace(instrument, symbol="TWO", content_hash=""), events)
    return lake.root


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five orders: two of their own, one on each of three days."""
    file = tmp_path_factory.mktemp("list") / "orders.csv"
    file.write_text(LIST, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--share 0.1 --quantity 500", "leave one out"),
        ("--quantity -3", "quantity"),
        ("--quantity 0", "at least 1"),
        ("--side long", "buy, sell, both"),
        ("--horizon soon", "30min"),
        ("--horizon 1h --end 12:30 --start 10:30", "horizon or end"),
        ("--end 12:30", "add start"),
        ("--start 10:30", "recorded days"),
        ("--start 25:00", "HH:MM"),
        ("--limit-price 241.5", "for buys and sells"),
        ("--side buy --limit-price 241.5", "25bps"),
        ("--limit-price far", "25bps"),
        ("--decisions 0", "decisions"),
        ("--orders {listed}", "add --tape"),
        ("--orders {listed} --tape {lake} --side buy", "each order of the list says its own"),
        ("--orders {listed} --tape {lake} --symbol SIM", "each order of the list says its own"),
        ("--orders nowhere.csv --tape {lake}", "nowhere.csv"),
        ("--orders {listed} --orders-column smybol=Ticker --tape {lake}", "smybol"),
        ("--tape {lake} --symbol SIM,NONE", "NONE"),
        ("--tape {lake} --symbol SIM --start 08:00 --horizon 10min", "08:00"),
    ],
)
def test_what_makes_no_order_touches_nothing(
    tmp_path: Path,
    lake: Path,
    listed: Path,
    words: str,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = words.format(lake=lake, listed=listed).split()
    result = tercel("run", *said, "--out", tmp_path / "out", "--json")
    refused(result, told)
    assert set(json.loads(result.stdout)) == {"error"}
    assert not (tmp_path / "out").exists()


HEAD = "time,symbol,side,quantity,horizon"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("2012-06-21 10:30,AMZN,buy,5.5,2h", "whole quantity"),
        ("2012-06-21 10:30,AMZN,hold,50,2h", "buy or sell"),
        ("2012-06-21,AMZN,buy,50,2h", "10:30"),
        ("2012-06-21 10:30-04:00,AMZN,buy,50,2h", "time zone"),
        ("2012-13-21 10:30,AMZN,buy,50,2h", "2012-13-21"),
        ("2012-06-21 25:30,AMZN,buy,50,2h", "25:30"),
        ("2012-06-21 10:30,,buy,50,2h", "symbol"),
        ("2012-06-21 10:30,AMZN,buy,50,", "horizon"),
        ("2012-06-21 10:30,AMZN,buy,50,later", "later"),
        ("2012-06-21 10:30,AMZN,buy,50", "5 cells"),
    ],
)
def test_a_row_that_is_no_order_is_named(tmp_path: Path, row: str, told: str) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(f"{HEAD}\n2012-06-21 10:30,AMZN,buy,50,2h\n{row}\n")
    with pytest.raises(TercelError) as error:
        read_orders(file)
    assert told in str(error.value)
    assert f"row 3 of {file}" in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("time,symbol,side,quantity\n", "horizon"),
        (f"{HEAD}\n", "header alone"),
        (f"{HEAD},limt\n10:30,A,buy,1,60,5\n", "'limt' in the first row.*try 'limit'"),
        ("", "empty"),
    ],
)
def test_a_file_without_orders_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(text)
    with pytest.raises(TercelError, match=f"(?s){told}"):
        read_orders(file)


def test_other_columns_are_passed_over_and_named_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(
        "time,desk,symbol,side,quantity,horizon,colour\n" + "10:30,x,A,buy,1,60,5\n" * 2
    )
    assert len(read_orders(file)) == 2
    assert (
        capsys.readouterr().err == f"warning: columns of {file} that were not read: desk, colour\n"
    )


def test_a_list_is_read_in_any_shape(tmp_path: Path, listed: Path) -> None:
    first, second, third = read_orders(listed)
    assert first == Order("2003-01-14 10:00", "SIM", "buy", 40, "20min")
    assert (second.date, second.clock, second.side, second.horizon_s) == (
        "2003-01-13",
        "10:30:00",
        -1,
        600.0,
    )
    assert (third.date, third.clock, third.horizon_s) == ("", "10:45", 1800.0)
    limits = tmp_path / "limits.csv"
    limits.write_text(
        "limit_price,time,symbol,side,quantity,horizon\n15.5,10:30,A,buy,1,60\n25bps,10:30,A,buy,1,60\n"
    )
    assert [order.limit_price for order in read_orders(limits)] == [15.5, "25bps"]


def test_orders_are_placed_on_the_days_that_hold_them(lake: Path, listed: Path) -> None:
    found = assign_days(read_orders(listed), Lake(lake))
    times = [(order.time, order.symbol) for order in found]
    assert times == [
        ("2003-01-13 10:30:00", "TWO"),
        ("2003-01-13 10:45", "SIM"),
        ("2003-01-14 10:00", "SIM"),
        ("2003-01-14 10:45", "SIM"),
        ("2003-01-15 10:45", "SIM"),
    ]
    (alone,) = assign_days([Order("2003-01-14 10:00", "sim", "buy", 40, "20min")], Lake(lake))
    assert alone == Order("2003-01-14 10:00", "SIM", "buy", 40, "20min")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("2003-01-20 10:30,SIM,buy,50,10min", "2003-01-20"),
        ("2003-01-14 11:25,SIM,buy,50,10min", "inside a session"),
        ("09:00,SIM,buy,50,10min", "inside a session"),
        ("10:30,SIN,buy,50,10min", "SIN"),
    ],
)
def test_an_order_that_is_not_on_tape_is_named(
    tmp_path: Path, lake: Path, row: str, told: str
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(f"{HEAD}\n{row}\n")
    result = tercel("run", "--orders", file, "--tape", lake, "--out", tmp_path / "out")
    refused(result, told, "row 2 of", file.name)
    assert not (tmp_path / "out").exists()


# -- where it is judged, and what agents learn from -------------------------------------------------------------------


def test_an_order_by_the_clock_is_judged_on_every_day_and_learned_in_other_hours(
    lake: Path,
) -> None:
    task = Task(side="buy", quantity=40, start="10:20", end="10:40", warmup_s=300)
    settings = Scenario(Market(lake=str(lake), symbol="SIM", impact="none"), task=task)
    market = build_market(settings)
    about = [Lake(lake).instrument("SIM", date) for date in DAYS]
    starts = [one.clock_ns("10:20") for one in about]
    rows = market.plan.rows
    assert rows[:, kernels.E_START_NS].tolist() == starts
    assert set(rows[:, kernels.E_SIDE]) == {1}
    assert set(rows[:, kernels.E_QUANTITY]) == {40}
    assert len(set(market.plan.cluster)) == 3
    learned = market.sampler(1, 0, 200).rows[:, kernels.E_START_NS]
    for start in starts:
        begin, end = learned - 5 * MINUTE_NS, learned + 20 * MINUTE_NS
        assert ((end <= start) | (begin >= start + 20 * MINUTE_NS)).all()
    assert judged_days(settings).days == DAYS


def test_an_order_of_the_whole_day_leaves_days_to_learn_from(lake: Path) -> None:
    task = Task(side="buy", quantity=40, start="09:50", end="11:20", warmup_s=300)
    settings = Scenario(Market(lake=str(lake), symbol="SIM", impact="none"), task=task)
    assert len(build_market(settings).plan) == 1
    assert judged_days(settings).days == DAYS[2:]


def test_an_order_is_seen_at_arrival_as_itself(lake: Path, listed: Path) -> None:
    scenarios = scenarios_of_orders(
        Scenario(Market(lake=str(lake), impact="square_root")), read_orders(listed)
    )
    assert list(scenarios) == ["SIM tape", "TWO tape"]
    plan = cached_market(replace(scenarios["SIM tape"], name="SIM tape", episodes=1)).plan
    assert len(plan) == 4
    assert plan.rows[:, kernels.E_HORIZON_NS].tolist() == [
        30 * MINUTE_NS,
        20 * MINUTE_NS,
        30 * MINUTE_NS,
        30 * MINUTE_NS,
    ]
    assert plan.rows[:, kernels.E_QUANTITY].tolist() == [25, 40, 25, 25]


def test_a_run_of_my_order_stays_that_order(tmp_path: Path, lake: Path) -> None:
    task = Task(side="buy", quantity=40, start="10:20", end="10:40")
    Run(Scenario(Market(lake=str(lake), symbol="SIM"), task)).claim(
        tmp_path / "out", user_named=True
    )
    again = tercel("run", "--resume", "--out", tmp_path / "out", "--quantity", 41)
    refused(again, "--quantity 40")


@pytest.mark.long
def test_a_list_is_one_table_over_orders(tmp_path: Path, lake: Path, listed: Path) -> None:
    """Its costs are those of the library."""
    found = done("run", "--orders", listed, "--tape", lake, "--out", tmp_path / "run")
    assert (found["episodes"], found["clusters"], found["cluster"]) == (5, 3, "day")
    assert found["market"] == "5 orders of SIM, TWO, replayed"
    assert len(found["task"]["orders"]) == 5
    assert not any("nothing answers" in note for note in found["notes"])
    market = tc.replay(lake, "SIM")
    python = tc.evaluate(["twap_take", "pov"], market, tc.read_orders(listed))
    theirs = found["strategies"]["twap_take"]["is_bps"]["mean"]
    assert python.figures.strategies["twap_take"].is_bps.mean == pytest.approx(theirs, abs=1e-9)
    assert [python.episode(i).lots for i in range(5)] == [25, 40, 25, 25, 30]
    assert [python.episode(i).side for i in range(5)] == [1, 1, 1, 1, -1]


def test_an_order_costs_among_others_what_it_costs_alone(lake: Path, listed: Path) -> None:
    """Without a law, whose rounding is drawn for each episode; its horizon is its own, not the list's."""
    market = tc.replay(lake, "SIM", impact="none")
    among = tc.evaluate(["twap_take", "immediate"], market, tc.read_orders(listed)[::2])
    alone = tc.evaluate(["twap_take", "immediate"], market, tc.read_orders(listed)[:1])
    assert (among.figures.episodes, alone.figures.episodes) == (4, 1)
    assert alone.shortfall_bps["twap_take"][0] == pytest.approx(
        among.shortfall_bps["twap_take"][1], abs=1e-9
    )


def test_one_order_leaves_nothing_to_compare_and_no_risk(lake: Path, listed: Path) -> None:
    """Its costs do not scatter, and no comparison is tested: neither is a figure."""

    @tc.strategy
    def half_now(view: Any) -> tc.Intent:
        return tc.Intent(take=(view.left + 1) // 2)

    alone = tc.evaluate(
        [half_now, "twap_take", "immediate"], tc.replay(lake, "SIM"), tc.read_orders(listed)[:1]
    )
    assert alone.figures.comparisons == 0
    assert {row.timing_risk_bps for row in alone.figures.strategies.values()} == {None}
    table = judged_table(alone.figures)
    assert "risk" not in [column.heading for column in table.columns]
    said = " ".join(table.sentences())
    assert "Exploratory" not in said
    assert "1 paired episode, effective sample 1 cluster (" in said


def test_the_table_says_what_a_limit_left(lake: Path) -> None:
    """Of own strategies too, which are held to it."""

    @tc.strategy
    def greedy(view: tc.View) -> tc.Intent:
        return tc.Intent(take=view.left)

    orders = [
        tc.Order(f"{day} 10:20", "SIM", "buy", 400, "10min", limit)
        for day in DAYS
        for limit in ("-30bps", None)
    ]  # fmt: skip
    result = tc.evaluate(["twap_take", greedy], tc.replay(lake, "SIM"), orders)
    table = result.table().to_dict(as_series=False)
    assert max(table["unfilled_share"]) > 0.2
    assert result.figures.counts["greedy"].unfilled_share > 0
    assert any("Limit" in note for note in result.figures.notes)
    fills = result.episode(0).fills("twap_take")
    mid = (
        result.store.main.costs["twap_take"].arrival_mid2[0]
        / 2
        * Lake(lake).instrument("SIM", DAYS[0]).tick
    )
    assert (fills.filter(~fills["unfilled"])["price"] <= mid * (1 - 30e-4) + 1e-9).all()
    assert int(fills.filter(fills["unfilled"])["lots"].sum()) > 0
