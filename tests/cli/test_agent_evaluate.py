"""`tercel agent evaluate` and `agent table`, as typed: what is refused, the JSON, resuming, leaks."""

import html
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests.cli.command import refused, tercel
from tests.policies import PPO
from typer.testing import Result

import tercel as tc
from tercel.core.errors import ConfigError
from tercel.execution.foresight.forecaster import save, spread_only_forecaster
from tercel.execution.market import Market
from tercel.execution.policies.card import read_card
from tercel.execution.policies.folder import load_policy, save_policy
from tercel.execution.policies.parts import PARTS
from tercel.execution.registry import resolve_policy
from tercel.execution.strategies import KNOWN
from tercel.lab.evaluation.market import build_market
from tercel.lab.evaluation.pipeline.candidates import (
    LEARNED_RULES,
    Candidate,
    policies_of,
    variants_of,
)
from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord
from tercel.lab.evaluation.pipeline.judged_tables import judged_table
from tercel.lab.evaluation.pipeline.leaks import refuse_leaks, seen_days_of
from tercel.lab.evaluation.pipeline.participants import recipes_of
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.learning.agent.config import AgentConfig
from tercel.lab.learning.agent.market import build_training_markets
from tercel.market.flow.registry import load
from tercel.market.simulator.days import DAYS, simulated_lake

FEW = "twap_take,vwap_take,vwap_passive,peg_behind"
SMALL = "--market csco-santa-fe --episodes 24 --seeds 901,902"


def agent(*words: object) -> Result:
    return tercel("agent", *words)


def copy_of_the_shipped(folder: Path, **changes: Any) -> Path:
    """A packaged policy saved under another card."""
    policy, card = load_policy(PPO)
    save_policy(folder, policy, replace(card, **changes))  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("evaluate nowhere/at/all", "folder"),
        ("evaluate defualt", "agent list"),
        ("evaluate twap_take", "twap_take"),
        ("evaluate default --against twap_tale", "twap_take"),
        ("evaluate default --against random", "random"),
        ("evaluate --against default,twap_take", "tercel agent evaluate default"),
        ("evaluate default --market csco-2033", "csco-santa-fe"),
        ("evaluate default --regimes stormy", "volatile"),
        ("evaluate default --seeds -3", "training"),
        ("evaluate default --seeds 1,1", "seeds"),
        ("evaluate default --seeds one", "seeds"),
        ("evaluate default --fees much", "fees"),
        ("evaluate default --latency-ms -1", "latency"),
        ("evaluate default --share 2", "share"),
        ("evaluate default --impact square_root", "translation"),
        ("evaluate default --passive-impact 1.5", "from 0 to 1"),
        ("evaluate default --passive-impact nan", "from 0 to 1"),
        ("evaluate default --impact-scale 0", "above 0"),
        ("evaluate default --assume impact,impact", "each assumption once"),
        ("evaluate default --assume speed", "impact, latency, fees"),
        ("evaluate default --tape {lake}", "--symbol"),
        ("evaluate default --tape {lake} --symbol SIN", "SIM"),
        ("evaluate default --tape {lake} --symbol SIM --impact weights", "propagator"),
        ("evaluate default --tape {lake} --symbol SIM --date 2003-01-13", "before"),
        ("evaluate default --tape {lake} --symbol SIM --date 2003-01-20", "2003-01-15"),
        ("evaluate default --date 2003-01-20", "--tape"),
        ("evaluate default default", "once"),
        ("evaluate default --side long", "buy, sell, both"),
        ("evaluate default --end 12:30", "add start"),
        ("evaluate default --orders nowhere.csv --tape {lake}", "nowhere.csv"),
        ("evaluate default --adaptation --trained-for stormy=default", "REGIME=POLICY"),
        ("evaluate default --adaptation --trained-for plain=default", "REGIME=POLICY"),
        ("evaluate default --trained-for thin=default", "--adaptation"),
        ("table --regimes stormy", "volatile"),
        ("table --write README.md", "marks"),
    ],
)
def test_what_makes_no_contest_touches_nothing(
    tmp_path: Path, lake: Path, words: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("no marks here")
    result = agent(*words.format(lake=lake).split(), "--out", tmp_path / "out", "--json")
    refused(result, told)
    assert set(json.loads(result.stdout)) == {"error"}
    assert [p.name for p in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.long
def test_days_that_were_seen_are_judged_on_a_persons_word_and_said(
    tmp_path: Path, lake: Path
) -> None:
    policy = copy_of_the_shipped(
        tmp_path / "p", trained_on={"symbol": "SIM", "trained on": "2003-01-15"}
    )
    typed = ("evaluate", policy, "--against", "twap_take", "--tape", lake, "--symbol", "SIM")
    words = (*typed, "--episodes", 4, "--out", tmp_path / "o")
    refused(agent(*words), "--allow-seen-days")
    result = agent(*words, "--allow-seen-days")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "o" / "evaluation.json").read_text())
    assert (found["market"], found["validation"]["episodes"]) == ("SIM replay", 64)
    assert found["strategies"][str(policy)]["impact_bps"] is not None
    [note] = [note for note in found["notes"] if note.startswith("Seen days")]
    assert "was trained on 2003-01-15" in note
    assert "no evidence" in " ".join(result.stdout.split())
    assert note in html.unescape((tmp_path / "o" / "evaluation.html").read_text())
    market = tc.replay(lake, "SIM")
    with pytest.raises(ConfigError, match="allow_seen_days"):
        tc.evaluate([policy, "twap_take"], market, episodes=4)
    mine = tc.evaluate([policy, "twap_take"], market, episodes=4, allow_seen_days=True)
    assert note in mine.notes
    assert "no evidence" in " ".join(repr(mine).split())
    assert "no evidence" in mine._repr_html_()


def test_rules_that_read_a_learned_forecast_are_named() -> None:
    """Their kind is told by name, without building them."""
    reading = [name for name in KNOWN if Candidate(name).forecaster is not None]
    assert reading == [*LEARNED_RULES]
    assert {Candidate(name).kind for name in reading} == {"learned"}


def test_training_seeds_of_one_recipe_are_a_row_of_their_own(tmp_path: Path) -> None:
    folders = [copy_of_the_shipped(tmp_path / f"mine-{i}", name="mine", seed=i) for i in (1, 2, 3)]
    other = copy_of_the_shipped(
        tmp_path / "other", name="mine", seed=4, trained_on={"market": "ibm"}
    )
    recipes = recipes_of(policies_of([*map(str, folders), str(other), "default"]))
    assert recipes == {"mine": tuple(map(str, folders))}


def test_variants_of_what_a_sweep_found_are_its_trials_as_they_are_by_now(tmp_path: Path) -> None:
    def policy(folder: Path, **learner: int) -> Candidate:
        return policies_of([str(copy_of_the_shipped(folder / "policy", learner=learner))])[0]

    swept, run = tmp_path / "sweep", tmp_path / "run"
    for number in ("000", "000-1", "001", "002"):
        (swept / "trials" / number).mkdir(parents=True)
    (swept / "sweep.json").write_text('{"guards": {"variants": 3}}')
    assert variants_of(policy(swept / "trials" / "001", looks=11)) == 3 - 1 + 3 + 11 - 1
    alone = policy(tmp_path / "alone")
    assert variants_of(alone) == 1
    (tmp_path / "alone" / "metadata.json").write_text('{"variants": 40}')
    assert variants_of(alone) == 40
    of_the_best = policy(run, looks=6, variants=9)
    assert variants_of(of_the_best) == 9
    (run / "config.json").write_text(json.dumps({"guards": {"sweep": str(swept)}}))
    assert variants_of(of_the_best) == 3 - 1 + 3 + 6 - 1
    (swept / "result.json").write_text('{"variants": 60}')
    assert variants_of(of_the_best) == 60 + 6 - 1
    (swept / "sweep.json").unlink()
    assert variants_of(of_the_best) == 9, "a sweep that is gone leaves what the card says"


@pytest.mark.long
def test_the_json_of_an_evaluation(tmp_path: Path) -> None:
    seeds = [copy_of_the_shipped(tmp_path / f"mine-{i}", name="mine", seed=i) for i in (1, 2)]
    words = (
        "evaluate",
        "default",
        *seeds,
        "--against",
        FEW,
        *SMALL.split(),
        "--market",
        "amzn-santa-fe",
    )
    first = agent(*words, "--out", tmp_path / "out", "--json")
    assert first.exit_code == 0, first.output
    result = json.loads(first.stdout)
    assert result["evaluation_seeds"] == [901, 902]
    assert (result["episodes"], result["clusters"], result["market"]) == (24, 12, "csco-santa-fe")
    names = {"default", "mine", *map(str, seeds), *FEW.split(",")}
    assert set(result["strategies"]) == names
    for name, row in result["paired"].items():
        for other, cell in row.items():
            assert 0 <= cell["p_adjusted"] <= 1
            costs = result["strategies"]
            gain = costs[other]["is_bps"]["mean"] - costs[name]["is_bps"]["mean"]
            assert cell["mean"] == pytest.approx(gain, abs=1e-9)
    assert set(result["paired"]["mine"]) == names - {"mine", *map(str, seeds)}
    best = result["best_baseline"]
    for name, cell in result["paired_vs_best_baseline"].items():
        assert cell["mean"] == result["paired"][name][best]["mean"]
    assert set(result["by_market"]) == {"csco-santa-fe", "amzn-santa-fe"}
    assert set(result["by_regime"]) == {"plain"}
    assert set(result["pooled"]["these_markets"]["mine"]) == set(FEW.split(","))
    assert (
        result["policies"]["default"]["weights_sha256"]
        == read_card(resolve_policy("default") / "card.json").weights_sha256
    )
    assert result["ratios"]["default"]["is_bps"]["twap_take"]["denominator"]["mean"] > 0
    assert any("none at mid" in line for line in result["checks"])
    page = (tmp_path / "out/evaluation.html").read_text()
    # finished cells are not run again, a missing one is, and the figures are the same
    cells = sorted((tmp_path / "out/cells").rglob("*.npz"))
    stamps = {path: path.stat().st_mtime_ns for path in cells}
    gone = next(
        path
        for path in cells
        if path.parent.name.startswith("vwap_take") and "validation" not in str(path)
    )
    gone.unlink()
    again = agent(*words, "--out", tmp_path / "out", "--json")
    assert json.loads(again.stdout) == result
    changed = [path for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp]
    assert changed == [gone]
    # a person sees a table of each market, then what holds over both
    table = judged_table(EvaluationRecord.from_json(result))
    [other] = table.other_markets
    cell, primary = result["by_market"]["amzn-santa-fe"], result["claims"]["mine"]["primary"]
    assert (other.title, other.best_baseline) == (
        "amzn-santa-fe",
        primary["best written"]["opponents"]["amzn-santa-fe"],
    )
    assert {name: row["is_bps"].mean for name, row in other.strategies.items()} == {
        name: cell["is_bps"][name]["mean"] for name in table.strategies
    }
    gains = {
        name: cell["paired"][name][other.best_baseline]["mean"]
        for name in other.paired_vs_best_baseline
    }
    assert {name: gain.mean for name, gain in other.paired_vs_best_baseline.items()} == gains
    sentences = list(table.sentences())
    alike = [one for one in sentences if one.startswith("Exactly alike: ")]
    assert len(sentences) - len(alike) <= 6, f"a verdict for each of two rows: {sentences}"
    pooled = result["claims"]["default"]["primary"]["best written"]["gain"]["mean"]
    assert [one.split(": ")[0] for one in sentences[:2]] == [
        "mine, over these markets",
        "default, over these markets",
    ]
    assert f"{pooled:+.2f}" in sentences[1]
    text = StringIO()
    Console(width=100, file=text).print(table)
    printed = text.getvalue()
    assert (
        printed.index("csco-santa-fe")
        < printed.index("amzn-santa-fe")
        < printed.index("default, over these")
    )
    assert "In amzn-santa-fe</h2>" in page


@pytest.mark.long
def test_an_evaluation_says_its_verdicts(tmp_path: Path) -> None:
    words = f"evaluate default --against twap_take,peg_behind {SMALL} --regimes volatile --adaptation --sensitivity"
    result = agent(*words.split(), "--trained-for", f"thin={PPO}", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    page = html.unescape((tmp_path / "out/evaluation.html").read_text())
    for told in (
        "default: ",
        "cheaper than",
        "frozen at arrival: twap_take",
        "after the correction, is",
        "minimum detectable effect",
        "timing risk",
        "chosen there",
        "buys and",
    ):
        assert told in " ".join(page.split()), told
    found = json.loads((tmp_path / "out/evaluation.json").read_text())
    sentences = list(judged_table(EvaluationRecord.from_json(found)).sentences())
    assert len(sentences) <= 5
    assert sentences[0].startswith("default: ")
    assert "effective sample" in sentences[-1]
    assert all(one.split()[-1] in result.stdout for one in sentences)
    assert set(found["by_regime"]) == {"volatile"}
    assert set(found["sensitivity"]) == {"share of volume"}
    assert found["assumptions"] is None
    thin = found["adaptation"]["thin"]
    assert thin["specialist"] == str(PPO)
    assert np.isfinite(thin["loss_to_specialist"]["default"]["mean"])
    costs, difference = thin["is_bps"], thin["difference_to_specialist"]["default"]
    assert difference["mean"] == pytest.approx(costs["default"]["mean"] - costs[str(PPO)]["mean"])
    assert any(f"{PPO} was given as trained in thin" in note for note in found["notes"])


@pytest.fixture(scope="module")
def one_day(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """A lake with one day of four hours, of which what follows 12:10 is judged."""
    folder = tmp_path_factory.mktemp("one")
    simulated_lake(folder, 4, DAYS[:1])
    return Scenario(Market(lake=str(folder), symbol="SIM", impact="none"))


def test_training_on_one_day_validates_on_as_many_as_are_worth_it(one_day: Scenario) -> None:
    def episodes(request: int) -> int:
        told = {
            "market": {"lake": one_day.market.lake, "symbol": "SIM"},
            "validation": {"episodes": request},
        }
        (market,) = build_training_markets(AgentConfig.model_validate({"name": "mine", **told}))
        return len(market.plan)

    assert (episodes(500), episodes(20)) == (64, 20)


def of_a_policy(folder: Path, **card: Any) -> list[Candidate]:
    """A shipped policy with another card."""
    return policies_of([str(copy_of_the_shipped(folder / "p", **card))])


def trained_in(folder: Path, **card: Any) -> list[Candidate]:
    """A policy of a market that was calibrated on the day."""
    preset = load("csco-santa-fe")
    card = {**preset.card, "days": [DAYS[0]], **card}
    preset.model_copy(update={"symbol": "SIM", "card": card}).save(folder / "morning.json")
    return of_a_policy(folder, trained_on={"market": str(folder / "morning.json")})


def test_hours_of_the_judged_day_that_a_policy_learned_from_are_told(
    tmp_path: Path, one_day: Scenario
) -> None:
    [said] = refuse_leaks(trained_in(tmp_path, from_s=0.0, to_s=9000.0), [one_day])
    assert said.startswith(
        "Leaks: no policy learned from the judged hours (SIM, 2003-01-13 12:10 to 13:30), but from"
    )
    assert said.endswith("a market calibrated on 2003-01-13, up to 12:00.")
    told = {"symbol": "SIM", "trained on": f"{DAYS[0]}, first two thirds"}
    [said] = refuse_leaks(of_a_policy(tmp_path, trained_on=told), [one_day])
    assert said.endswith(f"was trained on {DAYS[0]}, first two thirds, up to 12:10.")
    [policy] = of_a_policy(tmp_path, trained_on={"market": "/gone/mine.json"})
    [said] = refuse_leaks([policy], [one_day])
    assert said.endswith(f"What {policy.key} learned from is not known.")


def test_a_former_preset_on_a_card_still_tells_the_days_it_was_calibrated_on(
    tmp_path: Path,
) -> None:
    [policy] = of_a_policy(tmp_path, trained_on={"markets": ["csco", "btc-spot"]})
    days = [("CSCO", f"2003-01-{day}", np.inf) for day in (14, 15, 16, 17)]
    assert [(seen.symbol, seen.first, seen.until_s) for seen in seen_days_of(policy)] == [
        *days,
        ("BTCUSDT", "2024-08-08", 170.0),
    ]


@pytest.mark.parametrize("card", [{"to_s": 12150.0}, {"window_s": [900.0, 9700.0]}, {}])
def test_a_market_calibrated_on_judged_hours_is_refused(
    tmp_path: Path, one_day: Scenario, card: dict[str, Any]
) -> None:
    """A preset of a long session ends before two thirds of that; the judged session may be shorter."""
    with pytest.raises(
        ConfigError, match=r"judged hours that no policy learned from.*12:10 to 13:30"
    ):
        refuse_leaks(trained_in(tmp_path, **card), [one_day])


def test_days_of_a_forecaster_are_as_seen_as_those_of_a_policy(
    tmp_path: Path, one_day: Scenario
) -> None:
    """Of a rule and of a policy that listen to it; who does not listen has seen nothing."""
    days = {"SIM": {"days": [DAYS[0], "2003-01-14"], "samples": 1}}
    save(tmp_path / "heard", replace(spread_only_forecaster(), card={"symbols": days}))
    policies = of_a_policy(
        tmp_path,
        trained_on={"market": "csco-santa-fe"},
        action_parameters={"flow": {"model": str(tmp_path / "heard")}},
    )
    said = f"listens to a forecaster that was trained on SIM, {DAYS[0]} to 2003-01-14"
    with pytest.raises(ConfigError, match=said):
        refuse_leaks(policies, [one_day])
    [note, _] = refuse_leaks(policies, [one_day], allowed=True)
    assert note.startswith("Seen days: ")
    assert said in note
    assert {"IBM", "CSCO"} <= {seen.symbol for seen in seen_days_of(Candidate("take_timed"))}
    assert not seen_days_of(Candidate("guarded"))
    # what is kept of its episodes is not that of a folder that was trained again
    kept = policies[0].fingerprint("SIM")
    save(tmp_path / "heard", replace(spread_only_forecaster(), card={"symbols": days, "seed": 2}))
    assert policies[0].fingerprint("SIM") != kept


@pytest.mark.long
def test_the_big_table_goes_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "agents.md"
    page.write_text(
        "before\n<!-- table: tercel agent table -->\nyesterday\n<!-- end of table -->\nafter\n"
    )
    words = f"table default-1 --against {FEW} --market csco-santa-fe --regimes thin --episodes 16 --write {page}"
    result = agent(*words.split(), "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found["cells"]) == {"plain", "thin"}
    text = page.read_text()
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "yesterday" not in text
    assert "### Shortfall, thin" in text
    assert "| default-1 saves on |" in text
    assert "](figures/gains-default-1.svg)" in text
    figure = (tmp_path / "figures/gains-default-1.svg").read_text()
    assert all(name in figure for name in FEW.split(","))


@pytest.mark.long
def test_a_policy_is_taken_apart_on_the_same_episodes(tmp_path: Path) -> None:
    words = "default-1 --against guarded,twap_take --apart --json"
    ran = agent(
        "evaluate",
        *words.split(),
        *SMALL.replace("csco-santa-fe", "ibm").split(),
        "--out",
        tmp_path,
    )
    assert ran.exit_code == 0, ran.output
    assert "Taken apart" in (tmp_path / "evaluation.html").read_text()
    found = json.loads(ran.stdout)
    apart, costs = (
        found["apart"],
        {name: row["is_bps"]["mean"] for name, row in found["strategies"].items()},
    )
    learned = ["learned", "placebo", "learned_less_placebo"]
    assert list(apart) == ["network", "forecast", "guard", "clock", *learned]
    saves, placebo, less = (apart[part]["mean"] for part in learned)
    assert less == pytest.approx(saves - placebo, abs=1e-9)
    assert placebo != 0 != less
    # without its network the shipped agent is the written rule; without a forecast it still takes what is late
    saved = costs["guarded"] - costs["default-1"]
    assert apart["network"]["mean"] == pytest.approx(saved, abs=1e-9)
    assert saves == pytest.approx(saved, abs=1e-9)
    assert apart["forecast"]["mean"] != pytest.approx(saved, abs=1e-9)


@pytest.mark.parametrize("words", [f"default-1 {PPO}", "--against twap_take,pov"])
def test_one_row_is_taken_apart(tmp_path: Path, words: str) -> None:
    typed = f"evaluate {words} --apart {SMALL} --out {tmp_path}"
    refused(agent(*typed.split()), "to take apart")


def test_a_written_strategy_has_a_guard_and_a_clock_to_take_away() -> None:
    built = build_market(Scenario(Market("csco-santa-fe"), episodes=8), quick=True)
    rule = Candidate("guarded+events")
    assert {part for part in PARTS if rule.without(part, built)} == {"guard", "clock"}
