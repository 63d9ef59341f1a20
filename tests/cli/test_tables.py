"""Tables on a terminal: whole columns or none, nothing shortened; means by lots with their intervals."""

import math
from io import StringIO

import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from tercel.cli import shared as output
from tercel.cli.trade_look import _shown
from tercel.desk.trading.tca.measure import AnalysedCost
from tercel.desk.trading.tca.summary import summary

CELLS = [
    ["AAA-000-peg", "-16.9", "-15.5", "100%"],
    ["BBB-000-schedule", "-1234567.9", "0.0", "33%"],
]
HEADINGS = ["parent", "cost", "vwap", "rested"]


@given(width=st.integers(10, 100))
def test_a_table_shortens_no_cell_and_names_what_it_leaves_out(width: int) -> None:
    said = StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            output, "result_console", lambda: Console(file=said, width=width, highlight=False)
        )
        output.print_table("costs", HEADINGS, CELLS, leaves=["vwap", "rested", "cost"])
    told = said.getvalue()
    assert "\N{HORIZONTAL ELLIPSIS}" not in told
    table, _, left_out = told.partition("left out: ")
    names = left_out.partition(" (")[0].split(", ") if left_out else []
    assert names in ([], ["vwap"], ["vwap", "rested"], ["cost", "vwap", "rested"])
    for row in [HEADINGS, *CELLS]:
        for name, cell in zip(HEADINGS, row, strict=True):
            assert (cell in table.split()) == (name not in names)
    longest = max(map(len, table.splitlines()[1:]))
    assert longest <= max(width, len("BBB-000-schedule"))


def test_two_columns_of_one_heading_are_refused() -> None:
    with pytest.raises(ValueError, match="headings that differ"):
        output.print_table("costs", ["cost", "s.e.", "cost"], [["1", "2", "3"]])


def test_advice_on_extras_serves_a_clone_too() -> None:
    told = output.how_to_install("pip install 'tercel[signals]', or add linear")
    assert "pip install -e '.[signals]'" in told
    assert told.endswith("pip install 'tercel[signals]', or add linear")


def parent(agent: str, quantity: int, cost: float, filled: int | None = None) -> AnalysedCost:
    full = quantity if filled is None else filled
    return AnalysedCost(
        *("p", "AAA", agent, 1, quantity, 0, 9),
        filled=full,
        notional=1.0 * full,
        is_bps=cost,
        passive_share=1.0 if full else math.nan,
        markouts_bps={"10s": math.nan},
    )


def test_costs_are_summed_by_what_was_filled() -> None:
    """The parent of which nothing was filled weighs nothing, whatever it says it cost."""
    found = summary(
        [
            parent("b", 10, 4.0),
            parent("a", 30, 8.0),
            parent("b", 10, 0.0),
            parent("c", 99, 1.0, filled=0),
        ]
    )
    assert found.total.is_bps == pytest.approx((10 * 4 + 30 * 8 + 10 * 0) / 50)
    assert (found.total.quantity, found.total.filled) == (149, 50)
    assert list(found.agents) == ["a", "b", "c"]
    assert found.agents["c"].is_bps is None
    assert found.agents["a"].interval == (None, None)  # of one parent
    assert found.total.passive_share == 1.0
    assert found.total.markouts_bps == {"10s": None}
    both = found.agents["b"]
    assert (both.is_bps, both.parents) == (2.0, 2)
    half = 12.7062 * 2.0  # t of one degree of freedom x sd / sqrt(2)
    assert both.interval == pytest.approx((2.0 - half, 2.0 + half), rel=1e-5)


@pytest.mark.parametrize(
    ("held", "told"), [(2.0, "2.00"), (0.0048, "0.0048"), (-1200.00001, "-1200.00001"), (0, "0.00")]
)
def test_a_quantity_of_coins_has_all_its_digits(held: float, told: str) -> None:
    assert _shown("qty", held, 2) == told
