"""Tables on a terminal: whole columns or none, nothing shortened; means by lots with their intervals."""

import json
import math
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from tercel.cli import output
from tercel.cli.output import hand_over, print_rows
from tercel.cli.trade_tables import _cell_text
from tercel.core.serialization import json_text
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
        output.print_table("costs", HEADINGS, CELLS, drop_order=["vwap", "rested", "cost"])
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
    assert _cell_text("qty", held, 2) == told


# -- JSON -------------------------------------------------------------------------------------------------------------

DOCUMENT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(DOCUMENT)
def test_what_is_written_is_read_back_exactly(document: object) -> None:
    assert json.loads(json_text(document)) == document


def test_what_json_does_not_know() -> None:
    @dataclass
    class Row:
        mean: float
        day: date

    value = {
        "nan": [float("nan"), float("-inf"), np.float64("nan")],
        "array": np.array([[1.5, np.nan]]),
        "int64": np.int64(2**60),
        "bool": np.bool_(True),
        "row": Row(0.1 + 0.2, date(2012, 6, 21)),
        "path": Path("a/b"),
        3: (1,),
    }
    assert json.loads(json_text(value)) == {
        "nan": [None, None, None],
        "array": [[1.5, None]],
        "int64": 2**60,
        "bool": True,
        "row": {"mean": 0.1 + 0.2, "day": "2012-06-21"},
        "path": "a/b",
        "3": [1],
    }


def test_what_has_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="no JSON for object"):
        json_text({"a": object()})


def test_what_was_found_is_written_with_its_page_and_shown_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, shown = {"cost": 1.5}, []
    hand_over(found, True, lambda: shown.append(1), tmp_path / "new", "costs", lambda: "<p>1.5</p>")
    said = capsys.readouterr()
    assert (
        json.loads(said.out) == found == json.loads((tmp_path / "new" / "costs.json").read_text())
    )
    assert (tmp_path / "new" / "costs.html").read_text() == "<p>1.5</p>"
    assert "costs.html" in said.err
    hand_over(found, False, lambda: shown.append(2))
    assert (shown, capsys.readouterr().out) == ([2], "")


def test_a_table_of_anything_breaks_long_cells_alone(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows("found", ("what", "why"), [("a", "word " * 60), ("b", 2)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "found"
    assert len(lines) > 4
    assert " ".join(" ".join(lines[2:]).split()) == "a " + "word " * 60 + "b 2"
