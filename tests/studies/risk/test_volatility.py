"""Volatility forecasts: against `arch`, against a market whose variance is known, and on real data."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from studies.risk.series import read_csv, read_spy
from studies.risk.synthetic import gjr_series
from studies.risk.volatility import Scaled, Yesterday, qlike, rank
from tercel.core.errors import DataError
from tercel.signals.risk.garch import fit_garch
from tercel.signals.risk.ports import DailySeries
from tercel.signals.risk.volatility import Ewma, Garch, Har

pytestmark = pytest.mark.release

arch = pytest.importorskip("arch")


@pytest.mark.parametrize("asymmetric", [False, True])
def test_the_recursion_is_archs(asymmetric: bool) -> None:
    returns = gjr_series(900, 1).series.returns[1:]
    fit = fit_garch(returns, asymmetric)
    model = arch.arch_model(100 * returns, vol="GARCH", p=1, o=int(asymmetric), q=1, rescale=False)
    theirs = model.fit(disp="off", show_warning=False)
    _, ours = fit.filter_returns(returns)
    np.testing.assert_allclose(
        ours[200:-1], theirs.conditional_volatility[200:] ** 2, rtol=1e-4
    )  # the start is forgotten
    assert ours[-1] == pytest.approx(theirs.forecast(horizon=1).variance.iloc[-1, 0], rel=1e-10)


def test_ewma_by_hand() -> None:
    series = gjr_series(200, 2).series
    level = float(np.mean(series.returns[1:22] ** 2))
    for r in series.returns[:150]:
        level = 0.94 * level + 0.06 * r * r
    assert Ewma().forecast(series, 150)[0] == pytest.approx(level)


def test_a_har_of_a_har_process_finds_its_coefficients() -> None:
    rng = np.random.default_rng(3)
    log = np.zeros(4000)
    for t in range(22, 4000):
        log[t] = (
            0.4 * log[t - 1]
            + 0.3 * log[t - 5 : t].mean()
            + 0.2 * log[t - 22 : t].mean()
            + 0.1 * rng.normal()
        )
    days = tuple(date.fromordinal(700_000 + t) for t in range(4000))
    series = DailySeries("har", days, rng.normal(size=4000), {"rv": np.exp(log)})
    forecast = np.log(Har(logs=True, refit=4000).forecast(series, 3500))
    wanted = [
        0.4 * log[t - 1] + 0.3 * log[t - 5 : t].mean() + 0.2 * log[t - 22 : t].mean()
        for t in range(3500, 4000)
    ]
    assert np.abs(forecast - np.array(wanted) - 0.005).max() < 0.05


def test_the_true_model_ranks_first_against_the_true_variance() -> None:
    known = gjr_series(1800, 4)
    models = (Scaled(Ewma()), Scaled(Garch()), Scaled(Garch(asymmetric=True)), Yesterday())
    ranked = rank(models, known.series, 900, known.variance, ("GJR",))
    assert ranked[0].name == "GJR"
    assert all(one.against["GJR"].t > 2 for one in ranked[1:])


def test_qlike_is_least_at_the_truth_and_ranks_as_its_other_form() -> None:
    proxy = np.array([0.5, 1.0, 4.0])
    assert qlike(proxy, proxy).tolist() == pytest.approx([0, 0, 0])
    for scale in (0.5, 0.9, 1.1, 2.0):
        assert np.all(qlike(scale * proxy, proxy) > 0)
    with_zero = np.append(proxy, 0.0)
    apart = qlike(np.full(4, 2.0), with_zero) - qlike(np.full(4, 1.0), with_zero)
    np.testing.assert_allclose(
        apart[:3], qlike(np.full(3, 2.0), proxy) - qlike(np.full(3, 1.0), proxy)
    )


# -- bad input --------------------------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "days.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["columns date and close"]),
        ("date,price\n2020-01-02,3\n", ["columns date and close", "date, price"]),
        ("date,close\n2020-01-02,3\n2020-01-03,x\n", ["row 3", "column close", "'x'"]),
        ("date,close\n2020-01-02,3\n2020-01-03,nan\n", ["row 3", "column close"]),
        ("date,close\n2020-01-02,3\n2020-01-03,-1\n", ["row 3", "above 0"]),
        ("date,close\nyesterday,3\n", ["row 2", "'yesterday'"]),
        ("date,close\n2020-01-03,3\n2020-01-02,4\n", ["order", "2020-01-02"]),
        ("date,close\n2020-01-02,3\n2020-01-03,3\n2020-01-06,3\n", ["move"]),
        ("date,close,rv\n2020-01-02,3,1\n2020-01-03,4,0\n", ["row 3", "column rv"]),
    ],
)
def test_a_file_that_cannot_be_used_is_named_by_row_and_column(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(DataError) as raised:
        read_csv(written(tmp_path, text))
    for word in words:
        assert word in str(raised.value)


# -- real data --------------------------------------------------------------------------------------------------------


def test_the_bars_on_spy(shared_data: Path) -> None:
    pytest.importorskip("rdata")
    spy = read_spy(shared_data)
    first = spy.since(date(2017, 1, 3))
    assert len(spy) - first == 745
    models = (Scaled(Garch()), Har(), Har(logs=True), Har(logs=True, vix=True))
    ranked = {one.name: one for one in rank(models, spy, first, spy.column("rv"))}
    assert ranked["log-HAR"].loss <= 0.210
    assert ranked["log-HAR"].against["GARCH"].t < -3
    assert ranked["log-HAR + VIX"].loss <= 0.188
    assert ranked["log-HAR + VIX"].against["log-HAR"].t < -2.5
    assert ranked["HAR"].loss > 0.25  # the outlier of August 2015 ruins plain least squares
