"""A sweep finds the top of a known hill, proposes the same after a kill, and refuses what it cannot search."""

import numpy as np
import pytest

from tercel.core.errors import ConfigError

pytest.importorskip("optuna", reason="needs the extra [sweep]")

from studies.sweep.search import Sweep, law_of
from tercel.lab.learning.agent.config import RangeSection


def between(low, high, log=False):
    return law_of("x", RangeSection(low=low, high=high, log=log))


SPACE = {
    "x": between(-4.0, 4.0),
    "n": between(1, 64, log=True),
    "shape": law_of("shape", ([8], [8, 8])),
}


def hill(values):
    """Highest at x = 1, n = 8; the shape does not matter."""
    return -((values["x"] - 1) ** 2) - 0.1 * np.log2(values["n"] / 8) ** 2


def run(sweep, until):
    while sweep.finished < until:
        trial = sweep.next()
        sweep.tell(trial, hill(trial.values))
    return [row.values for row in sweep.rows()]


@pytest.mark.long
def test_the_top_of_a_hill_is_found_and_named(tmp_path):
    sweep = Sweep(SPACE, f"sqlite:///{tmp_path}/s.db", "hill", 1)
    run(sweep, 40)
    best = sweep.best()
    assert best.value > -0.5
    assert best.value == max(row.value for row in sweep.rows())
    shares = sweep.importances()
    assert shares["x"] == max(shares.values())
    assert best.values["shape"] in ([8], [8, 8])
    assert isinstance(best.values["n"], int)


def test_a_killed_sweep_proposes_what_it_would_have(tmp_path):
    straight = run(Sweep(SPACE, f"sqlite:///{tmp_path}/a.db", "a", 3), 12)
    url = f"sqlite:///{tmp_path}/b.db"
    run(Sweep(SPACE, url, "b", 3), 5)
    Sweep(SPACE, url, "b", 3, resume=True).next()  # killed under way
    again = Sweep(SPACE, url, "b", 3, resume=True)
    assert again.finished == 5
    assert run(again, 12) == straight
    assert run(Sweep(SPACE, f"sqlite:///{tmp_path}/c.db", "c", 4), 3) != straight[:3]


def test_the_worse_half_is_cut_short(tmp_path):
    sweep = Sweep({"x": between(0.0, 1.0)}, f"sqlite:///{tmp_path}/s.db", "cut", 1)
    for value in (1.0, 2.0, 3.0, 4.0, 0.0, 9.0):
        trial = sweep.next()
        short = trial.report(1, value) or trial.report(2, value)
        sweep.tell(trial, value, "cut short" if short else "complete")
    assert [row.how for row in sweep.rows()] == ["complete"] * 4 + ["cut short", "complete"]
    assert sweep.rows()[4].value == 0.0
    assert sweep.best().value == 9.0


def test_what_cannot_be_searched_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    for make in (
        lambda: between(1.0, 1.0),
        lambda: between(0.0, 1.0, log=True),
        lambda: law_of("x", (1,)),
    ):
        with pytest.raises(ConfigError):
            make()
    with pytest.raises(ConfigError, match=r"sweep\.ranges"):
        Sweep({}, url, "s", 1)
    Sweep(SPACE, url, "s", 1)
    with pytest.raises(ConfigError, match="`resume=True`"):
        Sweep(SPACE, url, "s", 1)
    with pytest.raises(ConfigError, match="others"):
        Sweep({"x": between(0.0, 1.0)}, url, "s", 1, resume=True)
    with pytest.raises(ConfigError, match="sqlite"):
        Sweep(SPACE, "nonsense", "s", 1)
