"""The commands that print what forecasts and postures are worth, and the packaging of policies."""

import json
from pathlib import Path

import pytest

from studies.value import command as worth

pytestmark = pytest.mark.release


def test_alpha_prints_one_object_and_writes_its_page(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    page = tmp_path / "deep" / "alpha.html"
    worth.alpha(
        market="csco-santa-fe",
        episodes=12,
        seed=3,
        rhos=(0.0, 1.0),
        strategies=("submit_and_leave+alpha",),
        out=page,
        as_json=True,
    )
    told = json.loads(capsys.readouterr().out)
    assert [row["rho"] for row in told["rows"]] == [0.0, 1.0]
    assert set(told["rows"][0]["gain_bps"]) == {"mean", "ci_low", "ci_high"}
    assert "<svg" in page.read_text()


def test_posture_prints_one_object_and_writes_its_page(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    kinds = {
        "market": "csco-santa-fe",
        "episodes": 8,
        "seed": 3,
        "strategies": ("immediate",),
        "designs": ("finish early",),
    }
    worth.posture(**kinds, out=tmp_path / "posture.html", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [row["stressed"] for row in told["rows"]] == [False, True]
    assert told["turn"][-1]["depth"] < 0.5
    assert "<svg" in (tmp_path / "posture.html").read_text()
