"""`python -m studies markets`: a symbol is judged by what the others taught, chose and measured; short ones by half hours."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.studies.typed import printed, refused

from studies.tape import flow, markets
from studies.tape.markets import BEST, TAKEN, UNFILLED, Judged
from tercel.lab.evaluation import Scores
from tercel.market.flow.registry import load
from tercel.market.simulator.days import simulated_session
from tercel.market.tape import Instrument, Lake

pytestmark = pytest.mark.release
HOURS = {"AAA": (1.0, 3), "BBB": (3.0, 1), "CCC": (0.4, 1)}
"""Hours of a day and days of each symbol: by days, by half hours, too short."""
RULES = ("guarded", "twap_take", "twap_repeg")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, market = Lake(tmp_path_factory.mktemp("markets") / "lake"), load("csco-santa-fe")
    for symbol, (hours, days) in HOURS.items():
        for day in range(days):
            about = Instrument("SIM", symbol, f"2020-01-0{day + 6}", market.tick, market.lot)
            open_ns = about.clock_ns("10:00")
            close_ns = open_ns + round(hours * 3600e9)
            about = replace(about, session_open_ns=open_ns, session_close_ns=close_ns)
            made.write(
                about, simulated_session(market, 5 + day, 3600 * hours, open_ns, warmup_s=300.0)
            )
    return made.root


def part(rng: np.random.Generator, saves: Sequence[float], clusters: int = 8) -> Judged:
    """Twenty orders a cluster; each rule costs so much more than the policy, the first is `guarded`."""
    cluster = np.repeat(np.arange(clusters), 20)
    noise = rng.normal(0, 0.1, (len(saves) + 2, len(cluster)))
    names = (flow.POLICY, flow.PLACEBO, *RULES)
    costs = 10 + np.array([0.0, 1.0, *saves])[:, None] + noise
    bps = {name: row[None] for name, row in zip(names, costs, strict=True)}
    shares = {TAKEN: np.full((1, len(cluster)), 0.3), UNFILLED: np.zeros((1, len(cluster)))}
    return Judged(Scores({**bps, BEST: bps["twap_repeg"]}, cluster), Scores(shares, cluster))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markets, "RULES", RULES)
    monkeypatch.setattr(markets, "LEAST_HALF_HOURS", 3)
    monkeypatch.setattr(flow, "FIRST", 1)
    monkeypatch.setattr(flow, "LEAST_DAYS", 3)


def test_rules_are_told_apart_where_they_are_apart() -> None:
    row = markets.row_of(part(np.random.default_rng(1), (3.0, -2.0, 0.0)))
    assert (row["rules_cheaper"], row["rules_dearer"], row["clusters"]) == (1, 1, 8)
    assert row["saves"]["mean"] == pytest.approx(3.0, abs=0.05)
    assert row["saves_on_best"]["mean"] == pytest.approx(0.0, abs=0.05)
    assert row["over_placebo"]["ci_low"] > 0.9
    assert row[TAKEN] == pytest.approx(0.3)
    assert row["dearest"]["ci_low"] is not None
    few = markets.row_of(part(np.random.default_rng(1), (3.0, -2.0, 0.0), 4))
    assert (few["clusters"], few["dearest"]["ci_low"]) == (4, None)


def test_the_best_rule_of_a_symbol_is_that_of_the_others() -> None:
    rng = np.random.default_rng(2)
    parts = {
        ("strict", "AAA"): part(rng, (0.0, 1.0, -5.0)),
        ("strict", "BBB"): part(rng, (-5.0, 1.0, 0.0)),
        ("strict", "CCC"): part(rng, (-4.0, 1.0, 0.0)),
    }
    assert markets.best_elsewhere(parts, "AAA") == "guarded"
    assert (
        markets.best_elsewhere({key: parts[key] for key in list(parts)[:2]}, "BBB") == "twap_repeg"
    )


def test_a_line_goes_through_points_on_it_and_is_flat_through_one() -> None:
    points = [(one, 0.3 + 0.2 * np.log(one)) for one in (0.5, 1.0, 7.0)]
    assert markets.line_of(points) == pytest.approx((0.3, 0.2))
    assert markets.line_of(points[:1]) == (points[0][1], 0.0)


def test_markets_by_days_and_by_half_hours(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[set[str]] = []
    learned = flow.learned

    def watched(days: Any, out: Path, seed: int) -> str:
        taught.append(set(days))
        return learned(days, out, seed)

    monkeypatch.setattr(flow, "learned", watched)
    found = printed("markets", "--lake", lake, "--bound", "strict")
    rows = found["rows"]["strict"]
    assert list(rows) == ["AAA", "BBB", "all", "since 2013", "one tick"]
    assert list(found["skipped"]) == ["CCC"]
    assert all(symbol not in others for symbol, others in zip(("AAA", "BBB"), taught, strict=True))
    assert (rows["AAA"]["by"], rows["AAA"]["clusters"]) == ("days", 2)
    assert (rows["BBB"]["by"], rows["BBB"]["clusters"]) == ("half hours", 5)
    assert rows["all"]["orders"] == rows["AAA"]["orders"] + rows["BBB"]["orders"]
    # one other symbol: what waiting costs in BBB is what was measured in AAA
    assert rows["BBB"]["scaled"] == pytest.approx(np.clip(rows["AAA"]["measured"], 0.05, 1.0))
    assert 0 < rows["BBB"][TAKEN] < 1
    two = [rows[symbol]["measured"] for symbol in ("AAA", "BBB")]
    assert found["waiting_mean_misses"] == pytest.approx(abs(two[0] - two[1]))


def test_one_market_is_not_enough(lake: Path) -> None:
    told = refused("markets", "--lake", lake, "--symbol", "AAA,CCC")
    assert "two symbols of 3 half hours or more" in told
    assert "name lakes of more markets with --lake" in told
