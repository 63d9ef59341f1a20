"""From files to a desk's first order, as a person types it: the same numbers in every place that tells them."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.desk.rounds.forecast_material import DESK, SIGNALS, prices
from typer.testing import CliRunner

from tercel.cli import app
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader

TARGETS = 'model = "o/model"\norders = "targets"\ntargets = "targets.csv"\n'


def typed(*words: object) -> str:
    """What a command that went well said on stdout."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(typed(*words, "--json"))
    return found


def test_five_commands_lead_from_prices_to_a_first_order(tmp_path: Path) -> None:
    prices(620).write_csv(tmp_path / "prices.csv")
    (tmp_path / "s.toml").write_text(SIGNALS)
    told("signals", "train", tmp_path / "s.toml", "--out", tmp_path / "o")
    rows = {row["name"]: row for row in told("signals", "predict", tmp_path / "o" / "model")["rows"]}
    side = 1 if rows["AAA"]["expected_bps"] > 0 else -1
    (tmp_path / "targets.csv").write_text(f"name,lots\nAAA,{40 * side}\n")
    desk, file = tmp_path / "desk", tmp_path / "desk.toml"
    file.write_text(DESK.replace('model = "o/model"\n', TARGETS))
    assert "as it should be" in typed("config", "check", file)
    ran = told("trade", "run", file, "--desk", desk)
    assert [(row["instrument"], row["side"]) for row in ran["parents"]] == [("AAA", side)]
    assert ran["parents"][0]["alpha_bps"] == rows["AAA"]["expected_bps"]
    forecasts = ran["forecasts"]
    assert forecasts["at"] == rows["AAA"]["at"]
    assert {one["name"] for one in forecasts["names"]} == {"AAA", "BBB"}
    assert forecasts["without"] == []
    why = " ".join(told("trade", "replay", "--desk", desk)["sentences"])
    assert f"{rows['AAA']['expected_bps']:+.1f} bps" in why
    assert f"Model {forecasts['model']} made it, known by {forecasts['at']}" in why
    assert f"The file of targets asked for it, AAA: lots {40 * side} at " in why
    page = (desk / "report.html").read_text(encoding="utf-8")
    assert "Forecasts, and what came" in page
    assert forecasts["model"] in page
    assert page.count("AAA: lots") == 1, "a target is told once"
    state = DeskState()
    with closing(JournalReader(desk)) as journal:
        for seq, entry in journal.read(0):
            state.apply(seq, entry)
        first = next(entry for _, entry in journal.read(0, (kinds.ORDER_OUT,)))
    assert first.instrument == "AAA"
    shown = state.shown()
    assert shown["alphas"]["AAA"]["expected_bps"] == rows["AAA"]["expected_bps"]
    assert set(shown["forecasts"]) == {"AAA", "BBB"}


def test_a_desk_whose_folder_was_edited_trades_without_it_and_says_so(tmp_path: Path) -> None:
    prices(500).write_csv(tmp_path / "prices.csv")
    (tmp_path / "s.toml").write_text(SIGNALS)
    told("signals", "train", tmp_path / "s.toml", "--out", tmp_path / "o")
    (tmp_path / "desk.toml").write_text(DESK)
    card = tmp_path / "o" / "model" / "card.json"
    card.write_text(card.read_text().replace('"name": "small"', '"name": "large"'))
    said = " ".join(typed("trade", "run", tmp_path / "desk.toml", "--desk", tmp_path / "desk").split())
    assert "Traded without a forecast: expected a card as it was written" in said
    checked = CliRunner().invoke(app, ["config", "check", str(tmp_path / "desk.toml")])
    assert checked.exit_code == 2
    assert "edited" in checked.output


def test_the_readme_shows_the_commands_that_the_page_runs() -> None:
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "howto" / "own_forecast.md").read_text(encoding="utf-8")
    readme = (root / "README.md").read_text(encoding="utf-8")
    commands = [line[2:] for line in page.splitlines() if line.startswith("$ tercel")]
    assert len(commands) == 5
    assert "\n".join(f"    {one}" for one in commands) in readme
