"""`tercel agent explain` and `studies.explain.explain`: what they print, write and refuse."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.execution.registry.helper import small_policy
from tests.policies import PPO
from typer.testing import CliRunner

import tercel as tc
from studies.explain import explain
from tercel.cli import app


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, ["agent", *(str(word) for word in words)])


def told(*words: object) -> dict[str, Any]:
    result = tercel(*words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(*words: object) -> str:
    result = tercel(*words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TERCEL_REGISTRY", raising=False)
    return tmp_path


@pytest.mark.parametrize("latency", [5, {"b": 1}, {"values_ns": 3}])
def test_explain_refuses_a_latency_that_is_none(home: Path, latency: object) -> None:
    folder = small_policy(home / "p")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "task": {"latency": latency}}))
    assert "a card with a task" in refused("explain", folder)


@pytest.mark.release
def test_explain_writes_a_page_and_tells_the_same(home: Path) -> None:
    found = told("explain", PPO, "--episodes", "16", "--out", home / "why")
    assert (found["policy"], found["market"], found["episodes"]) == ("ppo", "csco-santa-fe", 16)
    assert len(found["features"]) == 50
    assert sum(each["cost_bps"] is not None for each in found["features"].values()) == 6
    assert len(found["stories"]) == 6
    assert "What moves it" in (home / "why" / "explain.html").read_text()
    assert found == {**told("explain", PPO, "--episodes", "16", "--out", home / "why")}


def test_explain_refuses_what_it_cannot_run(home: Path) -> None:
    folder = small_policy(home / "p")
    card = json.loads((folder / "card.json").read_text())
    card["observes"][0], card["observation_hash"] = "time_spent", "0" * 16
    (folder / "card.json").write_text(json.dumps(card))
    said = refused("explain", folder)
    assert "time_left here, time_spent there" in said
    assert "unknown" in refused("explain", PPO, "--market", "unknown")


def test_a_policy_is_explained(home: Path) -> None:
    found = explain("default-1", episodes=2)
    assert set(found.table()["kind"]) == {"family", "feature"}
    assert found.report(home / "why" / "page.html").read_text().startswith("<!")
    assert found.lead() in found._repr_html_()


def test_a_market_with_fees_is_not_explained_in() -> None:
    with pytest.raises(tc.TercelError, match="load_market"):
        explain("default-1", tc.load_market("csco", fees="1,5bps"))
