"""JSON on stdout: strict, with every digit."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.cli.shared import hand_over, print_rows
from tercel.core.serialization import json_text

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
