"""JSON as it leaves the house: strict, with every digit."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercel.app.output import json_text

DOCUMENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
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
