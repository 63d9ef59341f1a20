"""Reported case 19: queues that shrink by cancels."""

from pathlib import Path

import pytest
from tests.reports.remedies import done

import tercel as tc
from tercel.api.market import replay
from tercel.execution.task import Task

# -- 19: a queue that shrinks by cancels ------------------------------------------------------------------------------

QUEUE = """
[instrument]
venue = "X"
tick = 0.01
timezone = "UTC"
[[file]]
name = '(?P<symbol>[A-Z]+)_(?P<date>\\d{8})\\.csv'
[file.time]
column = "t"
unit = "ms"
[file.rows]
column = "what"
level = "L"
trade = "T"
[file.level]
side = "side"
price = "price"
size = "n"
[file.trade]
price = "price"
size = "n"
aggressor = "side"
buy = "B"
sell = "S"
[clean]
outliers = 0
"""
CYCLE_S = 60


def queues(folder: Path) -> Path:
    """Every minute: 1,000 lots bid, 100 after cancels, 150 trade of a level that is then filled up again."""
    rows = ["t,what,side,price,n"]
    for k in range(120):
        at = 36_000_000 + 1000 * CYCLE_S * k
        if not k:
            rows += [f"{at},L,S,100.02,1000", f"{at},L,B,99.99,1000"]
        rows += [
            f"{at},L,B,100.00,1000", f"{at + 40_000},L,B,100.00,100", f"{at + 45_000},T,S,100.00,150",
            f"{at + 45_000},L,B,100.00,0", f"{at + 45_500},L,B,100.00,1000",
        ]  # fmt: skip
    (folder / "map.toml").write_text(QUEUE)
    (folder / "ABC_20240403.csv").write_text("\n".join(rows) + "\n")
    made = ("--map", folder / "map.toml", "--lake", folder / "lake")
    done("data", "import", "csv", folder / "ABC_20240403.csv", *made)
    return folder / "lake"


@pytest.mark.parametrize("model", ["risk_averse", "power_prob:2", "log_prob"])
def test_19_who_joined_gets_what_trades_beyond_the_cancels(
    tmp_path_factory: pytest.TempPathFactory, model: str
) -> None:
    """900 of the 1,000 ahead are cancelled, 150 trade: 100 are those ahead, 50 are ours, in every model of queues."""
    lake = queues(tmp_path_factory.mktemp("queue"))

    @tc.strategy
    def joins(view: tc.View) -> tc.Intent:
        return tc.Intent(rest=view.left)

    task = Task(side="buy", quantity=200, horizon_s=float(CYCLE_S), decisions=1, warmup_s=0)
    result = tc.evaluate(["twap_take", joins], replay(lake, "ABC", queue=model), task, episodes=4)
    assert result.figures.episodes == 4
    for number in range(4):  # of one cycle each, whenever it begins
        fills = result.episode(number).fills("joins").to_dicts()
        passive = [
            (row["price"], row["lots"]) for row in fills if row["passive"] and not row["forced"]
        ]
        assert sum(lots for _, lots in passive) == 50
        assert {price for price, _ in passive} == {100.0}
    costs = {bound: row["joins"].mean for bound, row in result.figures.by_bound.items()}
    assert list(costs) == ["kind", "optimistic", "pessimistic"]
    assert costs["optimistic"] <= costs["kind"] < costs["pessimistic"], "it never trades beyond 100"
    assert "none of them bounds a cost" in " ".join(str(result).split())
