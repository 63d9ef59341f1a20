"""The cases of `audit_reports.md`, table 1, are all here: a test of each, named by its number."""

import ast
import re
from pathlib import Path

CASES = (
    *(
        "01a",
        "01b",
        "01c",
        "01d",
        "01e",
        "02",
        "02b",
        "03",
        "04a",
        "04b",
        "04c",
        "04d",
        "05",
        "05b",
    ),
    *(
        "06a",
        "06b",
        "06c",
        "07a",
        "07b",
        "07c",
        "08",
        "09",
        "10",
        "11a",
        "11b",
        "11c",
        "11d",
        "12",
        "13",
        "14",
    ),
    *("15a", "15b", "15c", "16", "17a", "17b", "18", "19"),
)


def test_each_of_the_38_cases_has_a_test() -> None:
    assert len(set(CASES)) == 38
    sources = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    names = [
        one.name
        for text in sources
        for one in ast.parse(text).body
        if isinstance(one, ast.FunctionDef)
    ]
    found = {match[1] for name in names if (match := re.match(r"test_(\d\d[a-e]?)_", name))}
    assert found == set(CASES)
