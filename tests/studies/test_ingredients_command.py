"""`python -m studies ingredients`, as typed: a row for the tape, for the whole law, and for it without each part."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studies.__main__ import app
from studies.tape.ingredients_command import FIGURES, TAPE, WHOLE
from tercel.market.flow.queue_reactive.calibrate import PARTS
from tercel.market.simulator.days import DAYS, simulated_lake

pytestmark = pytest.mark.release


def test_every_part_has_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated_lake(tmp_path, 2, DAYS[:1])
    few = {WHOLE: (), "young touches": ("young touches",)}
    monkeypatch.setattr("studies.tape.ingredients_command.WITHOUT", few)
    typed = [
        "ingredients",
        "--lake",
        str(tmp_path),
        "--symbol",
        "SIM",
        "--date",
        DAYS[0],
        "--days",
        "1",
        "--json",
    ]
    result = CliRunner().invoke(app, typed)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["rows"]) == [TAPE, *few]
    assert all(set(row) == set(FIGURES) for row in found["rows"].values())
    assert found["rows"][TAPE]["filled_300s"] > 0
    assert "young touches" in PARTS
