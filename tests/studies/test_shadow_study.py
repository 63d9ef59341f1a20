"""Bounds in shadow beside fills: a small study holds its own account together."""

import pytest

from studies.shadow.fills import ShadowTrial, WorkedParent, cells_of

pytestmark = pytest.mark.release


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> list[WorkedParent]:
    found, bounds = ShadowTrial(["amzn"], 16, 120.0, 3).run(tmp_path_factory.mktemp("shadow"))
    assert set(bounds.laws) == {"amzn"}
    return found


def test_every_parent_has_bounds_and_takers_pay_more_at_the_pessimistic_one(
    worked: list[WorkedParent],
) -> None:
    assert len(worked) == 16
    takes = [one.bounds for one in worked if one.strategy == "twap_take"]
    assert takes
    assert all(low <= high + 0.2 for low, high in takes)
    assert any(low < high for low, high in takes)


def test_cells_add_up(worked: list[WorkedParent]) -> None:
    cells = cells_of(worked)
    (whole,) = cells["all"]
    for name in ("market", "size", "spread", "strategy"):
        assert sum(cell["parents"] for cell in cells[name]) == whole["parents"] == 16
        within = sum(cell["parents"] * cell["within"] for cell in cells[name])
        assert within == pytest.approx(16 * whole["within"])
    assert whole["above"] + whole["below"] == round(16 * (1 - whole["within"]))
