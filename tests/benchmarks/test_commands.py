"""`python -m benchmarks`: what it prints, what it refuses, and how the old command is answered."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app

pytestmark = pytest.mark.release

runner = CliRunner()
RESULT = {
    "name": "book.events_per_s",
    "value": 6.7e7 / 3,
    "unit": "messages/s",
    "reference": "SortedDict book",
    "reference_value": 1e6,
    "ratio": 67 / 3,
}


def answers(monkeypatch: pytest.MonkeyPatch, module: str, rows: list[dict[str, Any]]) -> None:
    monkeypatch.setitem(sys.modules, f"benchmarks.{module}", SimpleNamespace(bench=lambda: rows))


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("book", "book"),
        ("env", "env"),
        ("train", "train"),
        ("decide", "decide"),
        ("import", "imports"),
    ],
)
def test_bench_prints_one_json_object_with_every_digit(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    unknown = RESULT | {"reference": None, "reference_value": None, "ratio": None}
    answers(monkeypatch, module, [RESULT, unknown])
    result = runner.invoke(app, [name, "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"results": [RESULT, unknown]}
    assert "22.33" in runner.invoke(app, [name]).stdout
