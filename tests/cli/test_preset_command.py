"""`tercel market calibrate`: a lake of known flow comes back as a preset with its card."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tercel.cli import app
from tercel.cli.market import show_fit
from tercel.core.errors import ConfigError, TapeError
from tercel.market.flow.preset import load
from tercel.market.score import calibrated as making
from tercel.market.simulator.days import simulated_lake

DAYS = ("2003-01-13", "2003-01-14")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_lake(tmp_path_factory.mktemp("lake"), 2, DAYS).root


def make(lake: Path, out: Path, days=DAYS[:1], held_out=DAYS[1:], symbol="SIM"):
    return making.make(
        lake,
        symbol,
        days=days,
        held_out=held_out,
        name="made",
        out=out,
        date="2026-01-01",
        simulated_days=1,
    )


def test_a_preset_and_its_card(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made.json"
    made, truth = make(lake, out), load("csco-santa-fe")
    assert load(out) == made
    assert (made.name, made.symbol, made.venue, made.tick) == ("made", "SIM", "TEST", truth.tick)
    assert made.card["held_out_days"] == [DAYS[1]]
    assert made.market_rate * made.lot == pytest.approx(truth.market_rate * truth.lot, rel=0.5)
    assert made.volume_per_s * made.lot == pytest.approx(truth.volume_per_s * truth.lot, rel=0.3)
    show_fit(made, out, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"name", "out", "fit", "held_out_days"}
    show_fit(made, out, as_json=False)
    told = capsys.readouterr()
    assert "held out" in told.out
    assert "made.json" in told.err.replace("\n", "")


@pytest.mark.parametrize(
    ("days", "held_out", "symbol", "error"),
    [
        (DAYS, DAYS[1:], "SIM", ConfigError),
        (("2003-01-20",), DAYS[1:], "SIM", TapeError),
        (DAYS[:1], ("2003-01-20",), "SIM", TapeError),
        (DAYS, (), "SIM", ConfigError),
        ((), DAYS, "SIM", ConfigError),
        (DAYS[:1], DAYS[1:], "SIN", TapeError),
    ],
)
def test_what_cannot_be_calibrated_writes_nothing(
    lake: Path, tmp_path: Path, days, held_out, symbol, error
) -> None:
    with pytest.raises(error):
        make(lake, tmp_path / "made.json", days, held_out, symbol)
    assert not list(tmp_path.iterdir())


def test_the_command_line_tells_it(lake: Path, tmp_path: Path) -> None:
    words = f"market calibrate --lake {lake} --symbol SIM --days {DAYS[0]} --held-out {DAYS[0]} --name x"
    more = ["--model", "santa_fe", "--out", str(tmp_path / "x.json"), "--stamp", "2026-01-01"]
    result = CliRunner().invoke(app, [*words.split(), *more])
    assert result.exit_code == 2
    assert "in both" in result.stderr
