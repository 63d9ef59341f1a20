"""`tercel estimate`: the table, the object, the page and what is refused; breaks of a day."""

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.cli.command import done, refused, shown, tercel

from tercel.core.errors import ConfigError
from tercel.execution.market import Market
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.pipeline.leaks import SeenDays
from tercel.lab.pretrade.like_orders import like_orders, load_days, run_like_orders
from tercel.market.simulator.days import simulated_lake
from tercel.market.simulator.tape_source import TapeDay
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.local_times import local_ns

DAYS = [f"2003-01-{day}" for day in (13, 14, 15, 16, 17)]
ORDER = ("estimate", "SIM", "buy", 60, "--start", "10:00", "--horizon", "5min")
RULES = ("--strategies", "guarded,twap_take,immediate")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_lake(tmp_path_factory.mktemp("lake"), 0.65, days=DAYS).root


def test_strategies_are_ranked_and_their_parts_add_up(lake: Path, tmp_path: Path) -> None:
    found = done(*ORDER, *RULES, "--lake", lake, "--out", tmp_path)
    assert json.loads((tmp_path / "estimate.json").read_text()) == found
    assert "<svg" in (tmp_path / "estimate.html").read_text()
    assert found["days"] == DAYS
    assert found["like_orders"] == 20, "at 09:30 and 10:00, bought and sold"
    assert found["closed_form"] == ""
    rows = {row["name"]: row for row in found["strategies"]}
    means = [row["expected"]["mean"] for row in found["strategies"]]
    assert means == sorted(means)
    for row in rows.values():
        assert row["spread"] + row["impact"] + row["timing"] == pytest.approx(
            row["expected"]["mean"], abs=1e-9
        )
        assert row["expected"]["ci_low"] < row["expected"]["mean"] < row["worst"]
        assert row["unfilled"] == 0.0
    assert found["strategies"][0]["behind"]["mean"] == 0.0
    assert rows["twap_take"]["still"] == rows["twap_take"]["expected"]["mean"], "it never rests"
    assert rows["guarded"]["still"] < rows["guarded"]["expected"]["mean"]
    assert rows["immediate"]["sd"] < rows["twap_take"]["sd"]
    assert 0.0 < found["share"] < 1.0
    assert found["value"] > 0.0


def test_a_sale_costs_what_a_purchase_costs_and_a_seed_repeats_it(lake: Path) -> None:
    sold = [*ORDER[:2], "sell", *ORDER[3:], "--strategies", "twap_take", "--lake", lake]
    one, other = done(*sold), done(*ORDER, "--strategies", "twap_take", "--lake", lake)
    assert one["strategies"] == other["strategies"]


def test_few_days_and_a_large_order_are_computed_in_closed_form(lake: Path) -> None:
    few = shown(*ORDER, "--days", 3, "--lake", lake)
    assert "closed form, for takes alone, as there are fewer than 5 days" in few
    assert len(re.findall(r"(?<!nearly)\.\n", few)) <= 6
    large = done("estimate", "SIM", "buy", 3_000, *ORDER[4:], "--lake", lake)
    assert large["closed_form"] == "no recorded window traded as much"
    assert [row["name"] for row in large["strategies"]][-1] == "immediate"
    small = done(*ORDER, "--days", 3, "--lake", lake)
    assert small["days"] == DAYS[2:]
    dated = done(*ORDER, "--start", f"{DAYS[3]} 10:00", "--lake", lake)
    assert dated["days"] == DAYS[:3], "days before it alone"
    assert large["strategies"][0]["expected"]["mean"] > small["strategies"][0]["expected"]["mean"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("--start", "2003-01-13 10:00"), "recorded days before 2003-01-13"),
        (("--start", "10:00pm"), "a time of the exchange"),
        (("--horizon", "soon"), "30min"),
        (("--horizon", "3h"), "of 2003-01-13 and of 4 more days"),
        (("--start", "10:08"), "choose a start from"),
        (("--strategies", "guardde"), "guardde"),
        (("--strategies", ","), "a strategy to estimate"),
        (("--days", "0"), "a day or more"),
        (("--impact", "cubic"), "an impact law"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(
    lake: Path, changed: tuple[str, str], told: str
) -> None:
    refused(tercel(*ORDER, *changed, "--lake", lake), told)


def test_orders_that_no_day_could_hold_are_refused(lake: Path, tmp_path: Path) -> None:
    refused(
        tercel("estimate", "SIM", "buy", 10**8, *ORDER[4:], "--lake", lake),
        "an order of at most a day's volume",
    )
    refused(tercel("estimate", "SIM", "buy", 10**12, *ORDER[4:], "--lake", lake), "at most 2,147")
    refused(tercel("estimate", "SIM", "hold", 60, *ORDER[4:], "--lake", lake), "a side: buy, sell")
    refused(tercel("estimate", "SIM", "buy", 0, *ORDER[4:], "--lake", lake), "a quantity")
    refused(tercel(*ORDER, "--lake", tmp_path / "none"), "the folder of a lake")
    refused(tercel("estimate", "SMI", *ORDER[2:], "--lake", lake), "SIM")


def test_days_of_two_venues_want_one_named(lake: Path, tmp_path: Path) -> None:
    for venue in ("TEST", "OTHER"):
        shutil.copytree(lake / "venue=TEST", tmp_path / f"venue={venue}")
    for file in (tmp_path / "venue=OTHER").rglob("instrument.json"):
        file.write_text(file.read_text().replace('"TEST"', '"OTHER"'))
    refused(tercel(*ORDER, "--lake", tmp_path), "name the venue")
    named = (*ORDER, "--strategies", "twap_take", "--lake", tmp_path, "--venue")
    assert done(*named, "OTHER")["strategies"] == done(*named, "TEST")["strategies"]
    refused(tercel(*named, "THIRD"), "take one of OTHER, TEST")


def test_a_mid_beside_a_price_far_off_prices_no_order(lake: Path) -> None:
    task = Task(quantity=60, start="10:00", horizon="300")
    found = load_days(Lake(lake), Market(lake=str(lake), symbol="SIM"), DAYS, task)
    mids = found.mids.copy()
    mids[[0, 1, 2], 0] = [7 * mids[0, 0], mids[1, 0] // 2, 0]
    costs = run_like_orders(
        replace(found, mids=mids), {"twap_take": build("twap_take", found.estimates)}
    )
    assert len(costs["twap_take"].bps) == len(found.plan) - 3


def test_a_horizon_that_a_break_parts_is_refused() -> None:
    date, zone = "2030-01-02", "Asia/Shanghai"
    opening, close = (local_ns(date, zone, minute * 60) for minute in (570, 900))
    instrument = Instrument(
        "SSE", "TOY", date, 0.01, timezone=zone, session_open_ns=opening, session_close_ns=close
    )
    begin = np.array([opening])
    day = TapeDay(instrument, 0, 0, begin, np.zeros(1, np.int64), np.zeros(1, np.int64), close)
    task = Task(quantity=100, start="11:00", horizon="1h")
    with pytest.raises(ConfigError, match="which a break parts") as told:
        like_orders([day], task, [1e6])
    assert "before the break" in told.value.remedy
    morning = like_orders([day], Task(quantity=100, start="10:30", horizon="1h"), [1e6])
    assert len(morning) == 4, "10:00 and 10:30; the break parts 11:00"


def test_a_policy_that_learned_from_the_days_is_named(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = SeenDays("SIM", DAYS[-1], DAYS[-1], math.inf, 1.0, "was trained on it")
    monkeypatch.setattr("tercel.lab.evaluation.pipeline.leaks.seen_days_of", lambda _policy: [seen])
    found = done(*ORDER, "--days", 3, "--strategies", "default,guarded", "--lake", lake)
    assert found["seen"] == "default learned from some of these days"
    alone = done(*ORDER, "--days", 3, "--strategies", "guarded", "--lake", lake)
    assert alone["seen"] == ""
