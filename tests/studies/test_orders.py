"""Orders of any size: which cells hold, by numbers that are known."""

import json

import numpy as np
import pytest
from tests.studies.typed import printed

from studies.sizes import places_command
from studies.sizes.orders_command import Cell, cell, dearer, sentences

pytestmark = pytest.mark.release


def cost_of(mean: float, noise: float) -> list[float]:
    return (mean + noise * np.random.default_rng(3).standard_normal(400)).tolist()


def found(mean: float, noise: float = 1.0) -> Cell:
    costs = {"mine": cost_of(mean, noise), "twap_take": [5.0] * 400, "popv": [4.0] * 400}
    return cell("sh600961", "1min", 0.5, "mine", costs, list(range(400)))


@pytest.mark.parametrize(
    ("mean", "noise", "verdict"),
    [(4.2, 1.0, "held"), (3.0, 1.0, "held"), (5.0, 1.0, "missed"), (4.2, 20.0, "too few episodes")],
)
def test_a_cell_holds_within_half_a_basis_point_and_two_standard_errors(
    mean: float, noise: float, verdict: str
) -> None:
    one = found(mean, noise)
    assert one.verdict == verdict
    assert (one.rule, one.rule_cost, one.without_room) == ("popv", 4.0, ("twap_repeg",))
    assert one.dearer == pytest.approx(one.cost - 4.0)
    assert one.se == pytest.approx(np.std(cost_of(mean, noise), ddof=1) / 20)


def test_what_isdearer_after_the_correction_is_named() -> None:
    cells = [found(4.2), found(6.0)]
    p = dearer(cells)
    assert p[0] > 0.5
    assert p[1] < 0.001
    said = " ".join(sentences(cells, p))
    assert "1 of 2 cells hold" in said
    assert "after the correction (Holm): sh600961 1min 50 %." in said
    assert "twap_repeg in sh600961" in said


def test_the_command_prints_every_cell() -> None:
    of = ["--market", "csco-santa-fe", "--horizon", "1min", "--episodes", 16]
    cells = printed("orders", "default-1", *of)["cells"]
    assert [one["share"] for one in cells] == [0.005, 0.05, 0.2, 0.5, 1.0]
    assert all(one["dearer"] == pytest.approx(one["cost"] - one["rule_cost"]) for one in cells)


def test_our_side_trades_what_the_twin_does(capsys: pytest.CaptureFixture[str]) -> None:
    places_command.run(["goog"], 8, 77, True)
    rows = {one["place"]: one for one in json.loads(capsys.readouterr().out)["places"]}
    assert set(rows) == set(places_command.PLACES)
    assert all(
        one["own"] > 0.0 and 0.95 < one["traded"] < places_command.MOST for one in rows.values()
    )
    assert rows["inside"]["own"] > rows["touch"]["own"] > rows["behind"]["own"]
