"""`tercel market impact`: one object on stdout, a page, a law on a preset's card, clear refusals."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tercel.cli import app
from tercel.market.flow.registry import load
from tercel.market.impact.law import law_on_card
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

RUNNER = CliRunner()


@pytest.mark.long
def test_a_card_as_json_and_as_a_page(tmp_path: Path) -> None:
    options = [
        "--pairs",
        "12",
        "--impact",
        "translation",
        "--seed",
        "2",
        "--out",
        str(tmp_path / "card"),
        "--json",
    ]
    result = RUNNER.invoke(app, ["market", "impact", "csco-santa-fe", *options])
    assert result.exit_code == 0, result.output
    card = json.loads(result.stdout)
    for name in (
        "exponent_size",
        "exponent_participation",
        "exponent_time",
        "level_2T",
        "level_3T",
    ):
        assert set(card[name]) == {"mean", "ci_low", "ci_high"}
    assert card["round_trips"]["searched"] == 100
    assert not card["round_trips"]["makes_money"]
    assert json.loads((tmp_path / "card" / "impact.json").read_text()) == card
    page = (tmp_path / "card" / "impact.html").read_text()
    assert page.count("<figure id") >= 3


def test_a_preset_carries_a_law_and_its_market_uses_it(tmp_path: Path) -> None:
    out = tmp_path / "with.json"
    result = RUNNER.invoke(
        app, ["market", "impact", "csco-santa-fe", "--carry", str(out), "--y", "0.5", "--json"]
    )
    assert result.exit_code == 0, result.output
    law = law_on_card(load(out).card)
    assert law is not None
    assert law.y == 0.5
    assert json.loads(result.stdout)["impact"] == law.card()
    source = reactive(load(out), settle_s=60.0)
    assert source.impact == law
    assert source.worlds_k[0, sim.IMPACT] == sim.TRANSLATION
    assert reactive(load(out), settle_s=60.0, impact="none").impact is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["nothing"], "preset market"),
        (["csco-santa-fe", "--impact", "root"], "impact law"),
        (["csco-santa-fe", "--pairs", "1"], "10 pairs"),
        (["csco-santa-fe", "--carry", "x.txt"], ".json"),
    ],
)
def test_what_is_refused(options: list[str], expected: str) -> None:
    result = RUNNER.invoke(app, ["market", "impact", *options, "--json"])
    assert result.exit_code == 2
    assert expected in json.loads(result.stdout)["error"]["expected"]
