"""Fits to a desk's requests: the truth is inside the intervals as often as they say, and damaged files are refused."""

import numpy as np
import pytest

from tercel.core.errors import DataError
from tercel.market.dealers.dealer_fit import FAMILIES, calibrate_panel, fit
from tercel.market.dealers.history import RequestHistory, read_history, simulate_history
from tercel.market.dealers.panel import load_panel, panel_text

TRUTH = {"half_spread": 1.0, "dispersion": 0.3, "reservation": 1.2, "reservation_scale": 0.4}


def drawn_history(
    quotes: tuple[float, float],
    reservation: tuple[float, float],
    dealers: int,
    requests: int,
    seed: int,
    family: str = "logistic",
) -> RequestHistory:
    """Requests whose quotes and reservations are drawn from two laws (location and scale each), for tests of fits."""
    rng = np.random.default_rng(seed)
    law = FAMILIES[family]
    distance = law.rvs(*quotes, size=(requests, dealers), random_state=rng)
    within = law.rvs(*reservation, size=requests, random_state=rng)
    best = distance.argmin(axis=1)
    winner = np.where(distance.min(axis=1) <= within, best, -1)
    names = tuple(f"D{i + 1}" for i in range(dealers))
    everyone = np.ones((requests, dealers), np.bool_)
    return RequestHistory(names, np.ones(requests), everyone, distance, winner)


def covered(repetitions: int, family: str) -> dict[str, float]:
    """Share of fits whose interval has the truth."""
    counts = dict.fromkeys(TRUTH, 0)
    for seed in range(repetitions):
        found = fit(drawn_history((1.0, 0.3), (1.2, 0.4), 3, 5000, seed, family), family)
        for name, value in TRUTH.items():
            one = getattr(found, name)
            counts[name] += one.ci_low <= value <= one.ci_high
    return {name: count / repetitions for name, count in counts.items()}


def test_a_fit_finds_the_law_that_requests_were_drawn_from():
    """8 fits: fewer than 6 hits of a 95 % interval have a chance below 1 in 170."""
    assert min(covered(8, "logistic").values()) >= 0.7


@pytest.mark.long
@pytest.mark.parametrize("family", ["logistic", pytest.param("normal", marks=pytest.mark.release)])
def test_intervals_have_the_truth_as_often_as_they_say(family):
    """200 histories of 5,000 requests: 90 to 99 %."""
    found = covered(200, family)
    assert min(found.values()) >= 0.9
    assert max(found.values()) <= 0.99


def written(history, side: int = 1) -> str:
    """A file of a history."""
    rows = ["time,side,size,dealer,quote,mid,won"]
    for i in range(len(history)):
        for d, dealer in enumerate(history.dealers):
            if history.invited[i, d]:
                distance = history.distance[i, d]
                quote = "" if np.isnan(distance) else f"{100 * (1 + side * distance / 1e4):.12f}"
                won = "yes" if history.winner[i] == d else "no"
                word = "buy" if side > 0 else "sell"
                rows.append(
                    f"2026-03-02T10:{i // 60:02}:{i % 60:02}Z,{word},{float(history.size[i])!r},{dealer},{quote},100,{won}"
                )
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("side", [1, -1])
def test_a_file_gives_the_history_that_was_written(tmp_path, side):
    history = simulate_history(load_panel("eurusd"), 200, 3, 4, (0.4, 0.1))
    path = tmp_path / "requests.csv"
    path.write_text(written(history, side).replace("dealer,", "counterparty,", 1))
    found = read_history(path)
    assert found.dealers == tuple(sorted(history.dealers))
    order = [history.dealers.index(name) for name in found.dealers]
    assert np.allclose(found.distance, history.distance[:, order], atol=1e-6, equal_nan=True)
    assert (found.invited == history.invited[:, order]).all()
    assert np.allclose(found.size, history.size)
    assert [found.dealers[w] if w >= 0 else "" for w in found.winner] == [
        history.dealers[w] if w >= 0 else "" for w in history.winner
    ]


def test_without_lost_requests_the_hit_ratio_is_not_fitted_and_said():
    found = fit(drawn_history((1.0, 0.3), (99.0, 0.1), 3, 200, 1))
    assert found.reservation is None
    assert {one.hit for one in found.dealers} == {None}
    assert "every request was traded" in found.notes[0]


def test_a_calibrated_panel_quotes_as_the_history_did(tmp_path):
    """Other dealers than the panel's, from the file that is written."""
    panel = load_panel("equity")
    other = panel.draw_variant(7)
    found = fit(simulate_history(other, 6000, 3, 5))
    path = tmp_path / "panel.toml"
    path.write_text(panel_text(calibrate_panel(panel, found, other.size)))
    again = fit(simulate_history(load_panel(path), 6000, 4, 5))
    theirs, ours = ([one.half_spread.mean for one in one.dealers] for one in (found, again))
    order = [int(one.dealer[1:]) - 1 for one in again.dealers]
    theirs = [theirs[i] for i in order]
    assert np.corrcoef(theirs, ours)[0, 1] > 0.95
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.15)
    assert again.dispersion.mean == pytest.approx(found.dispersion.mean, rel=0.25)


GOOD = (
    "time,side,size,dealer,quote,mid,won\n"
    "2026-03-02T10:00:00Z,buy,5,A,100.1,100,yes\n"
    "2026-03-02T10:00:00Z,buy,5,B,100.2,100,no\n"
)


@pytest.mark.parametrize(
    ("old", "new", "expected", "row"),
    [
        ("5,B,100.2", "5,A,100.2", "one quote of a dealer", 2),
        ("100.2,100,no", "100.2,100,yes", "one winner", 2),
        ("100.1,100,yes", ",100,yes", "a quote of the winner", 2),
        ("100.2,100,no", "-100.2,100,no", "a quote above 0", 3),
        ("100.2,100,no", "100.2,0,no", "a mid above 0", 3),
        ("100.2,100,no", "100.2,,no", "a mid above 0", 3),
        ("100.2,100,no", "1.002,100,no", "within 2000 bps", 3),
        ("100.2,100,no", "100.2,100,maybe", "yes or no", 3),
        ("buy,5,B", "hold,5,B", "a side", 3),
        ("size,dealer", "volume,dealer", "size", None),
    ],
)
def test_a_damaged_file_is_refused_with_its_row(tmp_path, old, new, expected, row):
    path = tmp_path / "requests.csv"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(DataError) as error:
        read_history(path)
    assert expected in error.value.expected
    assert row is None or f"row {row}" in error.value.received


def test_few_quotes_are_not_fitted():
    with pytest.raises(DataError, match="20 quotes"):
        fit(drawn_history((1.0, 0.3), (1.2, 0.4), 3, 5, 1))


@pytest.mark.parametrize(
    "won", [lambda rng, best: rng.random(len(best)) < 0.5, lambda _, best: best < 1.2]
)
def test_a_reservation_that_the_quotes_do_not_tell_is_not_a_result(won):
    """Trades at random, or at a sharp edge: the likelihood has no maximum, wherever the search stops."""
    for seed in range(1, 6):
        rng = np.random.default_rng(seed)
        distance = rng.normal(1.5, 0.4, (60, 3))
        best = distance.min(axis=1)
        winner = np.where(won(rng, best), distance.argmin(axis=1), -1)
        asked = np.ones((60, 3), np.bool_)
        found = fit(RequestHistory(("A", "B", "C"), np.full(60, 100.0), asked, distance, winner))
        if found.reservation is None:
            assert "does not determine" in found.notes[0]
            assert all(one.hit is not None for one in found.dealers)
        else:
            low, high = found.reservation.ci_low, found.reservation.ci_high
            assert 2 * best.min() - best.max() <= low < high <= 2 * best.max() - best.min()


def test_quotes_that_do_not_differ_are_refused():
    asked = np.ones((60, 3), np.bool_)
    winner = np.arange(60) % 2 - 1
    same = RequestHistory(("A", "B", "C"), np.ones(60), asked, np.full((60, 3), 1.5), winner)
    with pytest.raises(DataError, match="that differ"):
        fit(same)
