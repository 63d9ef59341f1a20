"""The study of costs that triple: what fills can say is a closed form, a cost that is known is never away."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.signals.portfolio.test_portfolio_command import placed
from tests.signals.portfolio.test_rebalance import drawn, sought
from typer.testing import CliRunner

from studies.__main__ import app
from studies.signals.costs import BAR, followed, said_of, table_of, tripled
from tercel.signals.portfolio.rebalance import NOISE, RULES, on_paper, trade

pytestmark = pytest.mark.release

runner = CliRunner()


def test_what_fills_say_is_what_each_says() -> None:
    """Of a book that trades all at once at a cost in proportion: fills of c w, each with noise of .58 s w."""
    of, since = tripled(sought(drawn(3, dates=120, names=10), 10.0), "2004-01-01", 3.0)
    book = trade(of, RULES["all_at_once"]).book
    fills = np.zeros(0)
    for t in range(since, since + BAR):
        grown = 1.0 + np.nan_to_num(of.walk.outcome[t - 1])
        held = book.weights[t - 1] * grown / (1.0 + book.net[t - 1])
        traded = np.abs(book.weights[t] - held) > 1e-12
        fills = np.append(fills, (1e-4 / (NOISE * of.sd[t]))[traded])
    expected = 1.0 / np.sqrt((fills**2).sum()) / 30.0
    assert said_of(of, book, slice(since, since + BAR)) == pytest.approx(expected, rel=1e-9)


def test_costs_change_on_a_day_and_a_book_that_learns_comes_back() -> None:
    plain = sought(drawn(14, dates=200, names=60), 100.0)
    of, since = tripled(plain, "2004-09-01", 3.0)
    assert (of.level[since - 1], of.level[since]) == (100.0, 300.0)
    assert (plain.level == 100.0).all()
    paper = on_paper(of, RULES["rate"])
    rows = followed(of, since, "rate", 8.0, 1 / 3, range(5), paper)
    assert all(row["near_20"] <= BAR for row in rows)
    assert {row["sharpe_true"] for row in rows} == {rows[0]["sharpe_true"]}
    table = table_of([{"rule": "rate", "half_life": 8.0, "day": "2004-09-01", "seeds": rows}])
    assert table[0][:2] == ("rate", "8")
    assert table[0][4] == "5 of 5"


def test_one_table_and_a_picture(tmp_path: Path) -> None:
    words = [
        "costs",
        str(placed(tmp_path)),
        "--on",
        "2011-09-01",
        "--seeds",
        "3",
        "--half-life",
        "8",
    ]
    told = runner.invoke(app, [*words, "--picture", str(tmp_path / "c.svg")])
    assert told.exit_code == 0, told.output
    assert "costs times 3 on 2011-09-01; 3 seeds each" in told.stdout
    assert "<svg" in (tmp_path / "c.svg").read_text()
    found = json.loads(runner.invoke(app, [*words, "--json"]).stdout)
    assert [row["rule"] for row in found["rows"]] == ["all_at_once", "rate", "zone"]
    assert [one["seed"] for one in found["rows"][0]["seeds"]] == [1, 2, 3]
    at_once, rate = (found["rows"][k]["seeds"][0] for k in (0, 1))
    assert set(at_once["chosen"]) == {1.0}
    assert rate["said"] >= at_once["said"], "who trades less is told less"
