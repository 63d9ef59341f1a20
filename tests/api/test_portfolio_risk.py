"""`tc.portfolio.backtest` and `tc.risk.forecast`: the figures of the commands, from frames and from files."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.signals.command.foreign import foreign
from tests.signals.command.material import told
from tests.signals.portfolio.test_portfolio_command import placed, table

import tercel as tc
from tercel.core.errors import TercelError
from tercel.core.serialization import to_jsonable


def test_a_frame_a_file_and_a_portfolio_have_the_commands_figures(tmp_path: Path) -> None:
    file = placed(tmp_path)
    expected = told("portfolio", "backtest", file)
    found = tc.portfolio.backtest(file)
    assert to_jsonable(found.to_json()) == expected
    for source in (table(), tmp_path / "forecasts.csv"):
        other = to_jsonable(tc.portfolio.backtest(source, cost_bps=10.0).to_json())
        assert isinstance(other, dict)
        assert {key: other[key] for key in ("rules", "curve")} == {
            key: expected[key] for key in ("rules", "curve")
        }
    rows = found.table()
    assert rows["rule"].to_list() == ["all_at_once", "rate", "zone"]
    assert rows["sharpe_net"].to_list() == [row["sharpe_net"] for row in expected["rules"].values()]
    assert (rows["sharpe_net_low"] < rows["sharpe_net_high"]).all()


def test_a_portfolio_without_a_cost_or_with_a_rule_that_is_none_is_refused() -> None:
    with pytest.raises(TercelError, match=r"one of cost\.bps and cost\.law"):
        tc.portfolio.backtest(table())
    with pytest.raises(TercelError, match="'rat'"):
        tc.portfolio.backtest(table(), cost_bps=1.0, rules=("rat",))
    with pytest.raises(TercelError, match="outcome"):
        tc.portfolio.backtest(table().drop("outcome"), cost_bps=1.0)


def test_risk_of_a_frame_is_that_of_the_command(tmp_path: Path) -> None:
    made = foreign(tmp_path, names=4, days=300)
    prices = pl.DataFrame({"date": made.days, **dict(zip(made.names, made.close.T, strict=True))})
    prices.write_csv(tmp_path / "prices.csv")
    (tmp_path / "w.csv").write_text("name,weight\nN0,0.7\nN2,-0.2\n")
    options = (
        "--volatility",
        "ewma",
        "--covariance",
        "ledoit-wolf",
        "--weights",
        tmp_path / "w.csv",
    )
    expected = told("risk", "forecast", tmp_path / "prices.csv", *options)
    found = tc.risk.forecast(
        prices, {"N0": 0.7, "N2": -0.2}, volatility="ewma", covariance="ledoit-wolf"
    )
    assert to_jsonable(found.to_json()) == expected
    rows = found.table()
    assert rows["name"].to_list() == ["N0", "N2", "the book"]
    assert rows["sd"].to_list() == pytest.approx([*expected["sd"], expected["book_sd"]])
    assert rows["sd_year"].to_list() == pytest.approx((rows["sd"] * 252**0.5).to_list())
    assert rows["var"].to_list() == pytest.approx([*expected["var_99_by_name"], expected["var_99"]])
    assert rows["es"].to_list() == [None, None, pytest.approx(expected["es_99"])]
    matrix = found.covariance_table()
    np.testing.assert_allclose(matrix.drop("name").to_numpy(), expected["covariance"])
    assert matrix.columns == ["name", "N0", "N2"]
