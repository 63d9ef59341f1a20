"""What a regime that begins half-way costs: basis points first, a percentage only of what is surely a cost."""

from types import SimpleNamespace
from typing import Any

from tercel.core.estimate import Estimate
from tercel.lab.evaluation.pipeline.evaluation import AdaptationCell
from tercel.lab.evaluation.pipeline.views import adaptation_rows, adapted


def interval(mean: float, half: float) -> Estimate:
    return Estimate(mean, mean - half, mean + half)


def result(mine: float, specialist: float, half: float) -> Any:
    cell = AdaptationCell(
        is_bps={"mine": interval(mine, half), "k1": interval(specialist, half)},
        paired={},
        specialist="k1",
        frozen=[],
        difference_to_specialist={"mine": interval(mine - specialist, 0.5)},
        loss_to_specialist={"mine": interval(mine / specialist - 1, 0.25)},
    )
    return SimpleNamespace(adaptation={"thin": cell})


def test_bps_come_first_and_what_is_cheaper_is_less() -> None:
    [line] = adapted(result(2.0, 4.0, 1.0), "mine")
    assert (
        "costs 2.00 [1.50, 2.50] bps (50.0 [25.0, 75.0] %) less than k1, given as trained in it"
        in line
    )
    [line] = adapted(result(6.0, 4.0, 1.0), "mine")
    assert "costs 2.00 [1.50, 2.50] bps (50.0 [25.0, 75.0] %) more than k1" in line
    assert list(adaptation_rows(result(2.0, 4.0, 1.0))) == [
        ("thin", "k1", "mine", "-2.00 [-2.50, -1.50]", "-50.0 [-75.0, -25.0] %")
    ]


def test_of_a_cost_that_may_be_zero_no_percentage_is_told() -> None:
    [line] = adapted(result(6.0, 4.0, 5.0), "mine")
    assert "costs 2.00 [1.50, 2.50] bps more than k1" in line
    assert "%" not in line
    assert next(adaptation_rows(result(6.0, 4.0, 5.0)))[-1] == ""
