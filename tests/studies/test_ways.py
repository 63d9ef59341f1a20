"""The study of the router: what a cell says of its seeds, and what it keeps of what is finished."""

from typing import Any

import pytest

from studies.sizes.ways_command import cell

pytestmark = pytest.mark.release

CLUSTERS = [0, 0, 1, 1]


def found(
    routed: float, oracle: float = 4.0, rfq: float = 5.0, wide: float = 0.0
) -> dict[str, Any]:
    """One seed: two pairs of orders; `wide`: how far the costs of rfq are apart."""
    flat = {"routed": routed, "oracle": oracle, "placebo": routed + 0.5, "book": 6.0, "block": 7.0}
    costs = {name: [bps] * 4 for name, bps in flat.items()}
    costs["rfq"] = [rfq - wide, rfq - wide, rfq + wide, rfq + wide]
    return {"units": 2.0, "cluster": CLUSTERS, "costs": costs, "ways": {"routed": {"name": "book"}}}


def test_a_cell_holds_within_five_per_cent_of_the_oracle() -> None:
    one = cell("thin", 0.05, {"1": found(4.1), "2": found(4.3)})
    assert one.costs["routed"] == pytest.approx(4.2)
    assert one.above == pytest.approx(0.05)
    assert one.by_seed == {"1": pytest.approx(0.1), "2": pytest.approx(0.3)}
    assert (one.best, one.placebo_more[0]) == ("rfq", pytest.approx(0.5))
    assert one.holds[1]
    assert cell("thin", 0.05, {"1": found(4.3)}).holds == (False, True)


def test_a_cell_costs_more_than_the_best_way_by_two_standard_errors_or_is_not() -> None:
    wide = cell("thin", 0.05, {"1": found(4.1, rfq=3.9, wide=1.0)})
    sure = cell("thin", 0.05, {"1": found(4.1, rfq=3.9, wide=0.01)})
    assert (wide.holds[1], sure.holds[1]) == (True, False)
    assert wide.more_than_best[0] == pytest.approx(0.2)
