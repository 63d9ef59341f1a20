"""Families: who plays where, what is pooled over them; cells of a contest; what a policy was not trained for."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.cli.command import done, refused, tercel as run
from tests.policies import PPO
from typer.testing import Result

from studies.ray import cluster
from tercel.api.evaluation import participants_of
from tercel.core.errors import CapacityError, ConfigError, UnknownNameError
from tercel.core.estimate import Estimate
from tercel.execution import policies_packaged, step as kernels
from tercel.execution.market import Market
from tercel.execution.policies import packaged_folders
from tercel.execution.policies.card import read_card
from tercel.execution.policies.folder import load_policy, save_policy
from tercel.execution.policies_packaged import (
    figures_of,
    folder_of,
    read_calm_observations,
    resolve_packaged,
)
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.market import cached_market, thin_plan
from tercel.lab.evaluation.pipeline.analysis_tables import adaptation_rows
from tercel.lab.evaluation.pipeline.candidates import Candidate, baselines_of
from tercel.lab.evaluation.pipeline.card_limits import limit_note, limit_notes, untrained_notes
from tercel.lab.evaluation.pipeline.cost_store import CostStore
from tercel.lab.evaluation.pipeline.evaluation_record import AdaptationCell
from tercel.lab.evaluation.pipeline.jobs import Job, is_done, is_stored, jobs_of, run_job
from tercel.lab.evaluation.pipeline.overflow import without_overflow, without_overflowed_episodes
from tercel.lab.evaluation.pipeline.participants import members_of, select_participants
from tercel.lab.evaluation.pipeline.scenario_costs import ScenarioCosts, read_costs
from tercel.lab.evaluation.pipeline.sentences import adaptation_lines
from tercel.lab.evaluation.plans import seeded_plan
from tercel.lab.evaluation.runs import run_strategy
from tercel.lab.evaluation.scenario import Scenario

CONFIG = """name = "tiny"
market = {{ presets = {markets}, worlds = 2 }}
task = {{ horizon_s = 240 }}
policy = {{ actions = "sized", hidden = [8] }}
learner = {{ algo = "ppo", frames = 256, markets = 8, steps = 16, minibatch = 64 }}
validation = {{ episodes = 8 }}
"""


def tercel(*words: object) -> Result:
    return run("agent", *words)


def member(folder: Path, seed: int, *markets: str) -> str:
    """A packaged policy saved as one made for other markets."""
    policy, card = load_policy(PPO)
    told = replace(card, name="mine", seed=seed, limits={"markets": list(markets)})
    save_policy(folder, policy, told)  # type: ignore[arg-type]
    return str(folder)


def settings(*names: str) -> dict[str, Scenario]:
    return {name: Scenario(Market(name)) for name in names}


def keys(field: Any) -> dict[str, list[str]]:
    return {market: [Path(one.key).name for one in team] for market, team in field.teams.items()}


def test_each_member_plays_where_it_is_at_home(tmp_path: Path) -> None:
    typed = [member(tmp_path / f"{m}-{s}", s, m) for m in ("sh600961", "ibm") for s in (1, 2)]
    field = select_participants(typed, "mine", settings("sh600961", "ibm"))
    assert keys(field) == {"sh600961": ["sh600961-1", "sh600961-2"], "ibm": ["ibm-1", "ibm-2"]}
    assert (field.recipes, field.notes) == ({"mine": tuple(typed)}, [])
    alone = select_participants(typed, "mine", settings("ibm"))
    assert [Path(one.key).name for one in alone.policies] == ["ibm-1", "ibm-2"], (
        "the others are not judged at all"
    )


def test_a_network_for_several_markets_plays_in_all_but_where_there_is_a_special_one(
    tmp_path: Path,
) -> None:
    typed = [member(tmp_path / f"all-{s}", s, "sh600961", "ibm", "amzn") for s in (1, 2)]
    field = select_participants(typed, "mine", settings("sh600961", "ibm", "amzn"))
    assert set(map(tuple, keys(field).values())) == {("all-1", "all-2")}
    special = member(tmp_path / "ibm-1", 1, "ibm")
    field = select_participants([*typed, special], "mine", settings("sh600961", "ibm", "amzn"))
    assert keys(field) == {
        "sh600961": ["all-1", "all-2"],
        "ibm": ["ibm-1"],
        "amzn": ["all-1", "all-2"],
    }


def test_away_from_home_those_of_the_symbol_play_then_those_of_the_first_market(
    tmp_path: Path,
) -> None:
    typed = [member(tmp_path / f"{m}-1", 1, m) for m in ("sh600961", "ibm")]
    field = select_participants(typed, "mine", settings("sh600961", "ibm-hawkes", "clx5"))
    assert keys(field) == {
        "sh600961": ["sh600961-1"],
        "ibm-hawkes": ["ibm-1"],
        "clx5": ["sh600961-1"],
    }
    assert [note.split(":")[0] for note in field.notes] == [
        "No member of mine is made for ibm-hawkes",
        "No member of mine is made for clx5",
    ]
    nowhere = select_participants(typed, "mine", settings("clx5"))
    assert keys(nowhere) == {"clx5": ["sh600961-1", "ibm-1"]}


def test_words_that_name_families() -> None:
    assert members_of("packaged:default-all") == members_of("default-all") == ("default",)
    typed, markets = ["default-all", str(PPO)], settings("sh600961")
    field = select_participants(typed, "", markets)
    assert not field.recipes
    assert [one.key for one in field.teams["sh600961"]] == ["default", str(PPO)]
    python = participants_of([*typed, "twap_take", *baselines_of("pov")], markets)
    assert replace(python, baselines=[]) == field, "in Python as in the command"
    assert [one.key for one in python.baselines] == ["twap_take", "pov"]
    with pytest.raises(UnknownNameError, match="default-all"):
        members_of("defualt-all")
    with pytest.raises(ConfigError, match="once"):
        select_participants(["default-all", "default"], "", markets)


def test_seeds_share_what_they_observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = policies_packaged.FOLDER / "observations" / "default.json"
    for name in ("mine-10", "mine-2", "other-ibm-1"):
        member(tmp_path / name, 1, "ibm")
    for module in (policies_packaged, packaged_folders):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    (tmp_path / "observations").mkdir()
    (tmp_path / "observations" / "mine.json").write_text(figures.read_text())
    assert policies_packaged.packaged_names() == ("mine-2", "mine-10", "other-ibm-1")
    assert policies_packaged.family("mine") == ("mine-2", "mine-10")
    assert policies_packaged.resolve_packaged("other-ibm") == "other-ibm-1"
    assert (
        read_calm_observations(figures_of(folder_of(resolve_packaged("mine-10")))).market == "ibm"
    )


@pytest.mark.release
def test_runs_are_packaged_together_and_judged_as_one(tmp_path: Path) -> None:
    runs = []
    for market in ("csco-santa-fe", "ibm-santa-fe"):
        config = tmp_path / f"{market}.toml"
        config.write_text(CONFIG.format(markets=json.dumps([market])))
        for seed in (1, 2):
            runs.append(tmp_path / f"{market}-{seed}")
            assert tercel("train", config, "--seed", seed, "--out", runs[-1]).exit_code == 0
    refused(tercel("package", runs[0], runs[0], tmp_path / "no"))
    assert not (tmp_path / "no").exists()
    out = tmp_path / "packed"
    packed = tercel("package", *runs, out, "--name", "mine", "--episodes", "8", "--json")
    assert packed.exit_code == 0
    assert re.search(
        r"mine-csco-santa-fe-1 in csco-santa-fe: -?[0-9]+[.][0-9]{2} \[", packed.stderr
    )
    written = json.loads(packed.stdout)
    assert [Path(found).name for found in written["observations"]] == [
        "mine-csco-santa-fe.json", "mine-ibm-santa-fe.json"
    ]  # fmt: skip
    names = [f"mine-{market}-santa-fe-{seed}" for market in ("csco", "ibm") for seed in (1, 2)]
    assert sorted(path.name for path in out.iterdir()) == [*names, "observations"]
    assert (
        read_calm_observations(out / "observations" / "mine-ibm-santa-fe.json").market
        == "ibm-santa-fe"
    )
    card = read_card(out / names[2] / "card.json")
    assert list(written["policies"]) == names
    assert written["policies"][names[2]]["scores"]["is_bps"] == card.scores["is_bps"]
    assert (card.name, card.seed, card.limits["markets"]) == ("mine", 1, ["ibm-santa-fe"])
    assert card.scores["judged"].startswith("8 fresh episodes of ibm-santa-fe")
    assert card.trained_on["configuration"]["policy"]["actions"] == "sized"

    markets = [word for market in ("csco", "ibm") for word in ("--market", f"{market}-santa-fe")]
    about = (*markets, "--family", "mine", "--regimes", "each", "--out", tmp_path / "ev")
    against = ("--against", "twap_take,peg_behind,vwap_passive", "--episodes", 12)
    found = done("agent", "evaluate", *(out / name for name in names), *about, *against)
    claim = found["claims"]["mine"]
    assert claim["training_seeds"] == {"csco-santa-fe": 2, "ibm-santa-fe": 2}
    assert set(claim["against"]) == {"twap_take", "peg_behind", "vwap_passive"}
    row = claim["against"]["twap_take"]
    for key in ("any_markets", "these_markets"):
        assert row[key]["mean"] == pytest.approx(
            sum(cell["mean"] for cell in row["by_market"].values()) / 2
        )
        assert found["pooled"][key]["mine"]["twap_take"] == row[key]
    assert len(row["by_regime"]) == 6
    assert len(row["by_market_and_regime"]) == 12
    calm = [row["by_market_and_regime"][f"{market} calm"]["mean"] for market in claim["markets"]]
    assert row["by_regime"]["calm"]["mean"] == pytest.approx(sum(calm) / 2)
    assert (
        found["by_market_and_regime"]["ibm-santa-fe"]["calm"]["paired"]["mine"]["twap_take"]["mean"]
        == calm[1]
    )
    lost = {(cell["against"], cell["in"]) for cell in claim["worse"]}
    every = {**row["by_market"], **row["by_regime"], **row["by_market_and_regime"]}
    for where, cell in every.items():
        assert (("twap_take", where) in lost) == (cell["mean"] < 0 and cell["p_adjusted"] < 0.05)
    assert set(found["by_market"]["ibm-santa-fe"]["paired"]) == {
        "mine",
        *(str(out / name) for name in names[2:]),
    }


# -- cells of a contest: kept, found again, run elsewhere, refused when damaged ---------------------------------------

TASK = Task(horizon_s=60.0, decisions=6, warmup_s=20.0, grid_points=4)
PLACE = Scenario(Market("csco-santa-fe"), task=TASK, name="small", seeds=(3, 4), episodes=300)
THREE = [Candidate("twap_take"), Candidate("peg_behind"), Candidate("random")]
WHO = [Candidate("twap_take"), Candidate("peg_behind")]


def test_seeds_share_the_episodes_and_none_is_one_of_training() -> None:
    rows = cached_market(PLACE).plan.rows
    assert len(rows) == 300
    assert np.unique(rows[:, :2], axis=0).shape == (150, 2), "bought and sold in"
    assert np.unique(rows[:, 0], return_counts=True)[1].tolist() == [150, 150]
    assert (cached_market(PLACE.on_validation(5)).plan.rows[:, 0] < 0).all()


def test_costs_run_elsewhere_are_those_run_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    jobs = jobs_of(PLACE, WHO, recorded=False)
    assert [job.first for job in jobs] == [0, 256]
    for job in jobs:
        assert not is_done(job, here)
        assert run_job(job, here)
        assert is_done(job, here)
    request: list[int] = []

    def elsewhere(_: Any, source: Any, task: Any, plan: Any, strategy: Any, **__: Any) -> Any:
        request.append(len(plan))
        return run_strategy(source, task, plan, strategy)

    monkeypatch.setattr(cluster, "run_strategy_on", elsewhere)
    run_job(Job(PLACE, 256, (WHO[0],), False), there)
    cluster.run_jobs_on(None, jobs, there)  # type: ignore[arg-type]
    assert request == [256, 300], "one job of the first was there"
    for one in WHO:
        assert all(is_stored(job, one, there) for job in jobs)
        mine, theirs = (read_costs(PLACE, WHO, out).costs[one.key] for out in (here, there))
        kept = [f.name for f in fields(mine) if f.name != "mid2_grid"]
        assert all(np.array_equal(getattr(mine, name), getattr(theirs, name)) for name in kept)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ScenarioCosts:
    folder = tmp_path_factory.mktemp("small")
    for job in jobs_of(PLACE, THREE, recorded=True):
        run_job(job, folder)
    return read_costs(PLACE, THREE, folder, recorded=True)


def overflowing(judged: ScenarioCosts, key: str, episodes: list[int]) -> ScenarioCosts:
    overflow = judged.costs[key].overflow.copy()
    overflow[episodes] = 2
    return replace(
        judged, costs={**judged.costs, key: replace(judged.costs[key], overflow=overflow)}
    )


def test_an_episode_without_room_is_left_out_for_everybody(small: ScenarioCosts) -> None:
    evaluation = CostStore(
        [],
        THREE,
        {},
        {"small": small},
        {"small": small},
        {"small": {"thin": small}},
        (3, 4),
        ["before"],
    )
    assert without_overflow(evaluation).notes == ["before"]
    cut = overflowing(overflowing(small, "peg_behind", [7, 9]), "random", [9])
    left = without_overflow(replace(evaluation, markets={"small": cut}))
    kept = np.delete(np.arange(300), [7, 9])
    for key, costs in left.main.costs.items():
        assert np.array_equal(costs.cluster, small.costs[key].cluster[kept])
        assert np.array_equal(costs.shortfall, small.costs[key].shortfall[kept])
    assert left.main.arrivals is not None
    assert small.arrivals is not None
    assert np.array_equal(left.main.arrivals.mid2_grid, small.arrivals.mid2_grid[kept])
    assert (
        len(left.validation.costs["random"])
        == len(left.regimes["small"]["thin"].costs["random"])
        == 300
    )
    [_, note] = left.notes
    assert "2 of 300" in note
    assert "(peg_behind, random)" in note


def test_a_rule_that_often_finds_no_room_is_left_out_and_named(small: ScenarioCosts) -> None:
    cut = overflowing(small, "peg_behind", [7, 9, 11, 12, 13, 14, 200])
    evaluation = CostStore([], THREE, {}, {"small": small}, {"small": cut}, {}, (3, 4), ["before"])
    left = without_overflow(evaluation)
    assert [one.key for one in left.baselines] == ["twap_take", "random"]
    assert all(list(scenario.costs) == ["twap_take", "random"] for scenario in left.scenarios)
    assert left.best == "twap_take"
    before, note = left.notes
    assert before == "before"
    assert "peg_behind is left out" in note
    assert "7 of 300 episodes of small" in note
    with pytest.raises(ConfigError, match="peg_behind is left out"):
        without_overflow(replace(evaluation, baselines=[THREE[1], THREE[2]]))
    with pytest.raises(CapacityError, match="7 of 300 for peg_behind"):
        without_overflowed_episodes(cut)


@pytest.mark.parametrize(("rows", "most"), [(2000, 1000), (1992, 1000), (24, 7)])
def test_a_window_that_is_bought_and_sold_in_stays_both(rows: int, most: int) -> None:
    plan = seeded_plan(Task(), 100, 1, 0, rows)
    few = thin_plan(plan, most)
    assert most - 1 <= len(few) <= most
    index, side = (few.rows[:, column] for column in (kernels.E_INDEX, kernels.E_SIDE))
    assert (index[1::2] == index[::2]).all()
    assert side.sum() == 0
    assert 2 * len(np.unique(index)) == len(few)
    assert thin_plan(plan, rows) is plan
    once = thin_plan(plan, most, one_side=True).rows
    assert len(once) == len(np.unique(once[:, kernels.E_INDEX])) == min(most, rows // 2)
    assert abs(once[:, kernels.E_SIDE].sum()) <= 1


def test_which_rows_are_left_is_known_after_leaving_out_twice() -> None:
    built = cached_market(PLACE)
    costs = run_strategy(built.judged, TASK, built.plan.take(slice(0, 6)), WHO[0].strategy(built))
    judged = ScenarioCosts(PLACE, {"one": costs}, {})
    some = judged.select(np.array([True, False, True, True, False, True]))
    assert some.plan_rows is not None
    assert some.plan_rows.tolist() == [0, 2, 3, 5]
    again = some.select(np.array([False, True, True, False]))
    assert again.plan_rows is not None
    assert again.plan_rows.tolist() == [2, 3]
    assert again.costs["one"].qty.tolist() == costs.qty[[2, 3]].tolist()


# -- policies outside their cards' limits, or given for what their cards do not say -----------------------------------

LIMITS: dict[str, Any] = {
    "share": [0.05, 0.2], "horizon_s": 1800.0, "decision_s": 30.0, "latency_ms": 0.0, "side": 0, "markets": ["sh600961"],
}  # fmt: skip


def policy(folder: Path, **changes: Any) -> Candidate:
    network, card = load_policy(PPO)
    save_policy(folder, network, replace(card, **changes))  # type: ignore[arg-type]
    return Candidate("k0", str(folder))


@pytest.mark.parametrize(
    ("limits", "task", "market", "said"),
    [
        ({}, Task(), "sh600961", ""),
        ({"decision_s": 120.0}, Task(), "sh600961", "120 s decisions; here 30 s"),
        ({"horizon_s": [600, 900]}, Task(), "sh600961", "600 to 900 s horizons; here 1800 s"),
        ({}, Task(share=0.5), "sh600961", "5 to 20 % of the volume; here 50 %"),
        ({}, Task(latency=Latency(a_ns=31_000_000)), "sh600961", "0 ms latency; here 31 ms"),
        (
            {"latency_ms": None},
            Task(latency=Latency(a_ns=10**9)),
            "sh600961",
            "no latency that its card names; here 1000 ms",
        ),
        (
            {},
            Task(latency=Latency(a_ns=30_000_000)),
            "sh600961",
            "",
        ),  # a thousandth of a decision interval
        (
            {"side": 1, "decision_s": 60.0},
            Task(),
            "sh600961",
            "60 s decisions; here 30 s, and for buys; here buys and sells",
        ),
        ({"side": 1}, Task(), "sh600961", "buys; here buys and sells"),
        ({}, Task(), "ibm", "sh600961; here ibm"),
        ({"share": "any", "markets": []}, Task(), "ibm", ""),
    ],
)
def test_what_lies_outside_the_limits_is_said(
    tmp_path: Path, limits: dict[str, Any], task: Task, market: str, said: str
) -> None:
    one = policy(tmp_path / "k0", limits={**LIMITS, **limits})
    told = limit_note(one, Scenario(Market(market), task=task), market)
    assert told == (f"k0 was trained for {said}" if said else "")


def test_a_policy_in_two_markets_is_noted_once_for_what_is_the_same(tmp_path: Path) -> None:
    one = policy(tmp_path / "k0", limits={"decision_s": 120.0})
    markets = {name: Scenario(Market(name)) for name in ("sh600961", "ibm")}
    assert limit_note(policy(tmp_path / "k1", limits={}), markets["ibm"], "ibm") == ""
    assert limit_notes({name: [one] for name in markets}, markets) == [
        "k0 was trained for 120 s decisions; here 30 s, and for no latency that its card names; here 5 ms"
    ]


def test_a_specialist_whose_card_names_another_regime_is_noted(tmp_path: Path) -> None:
    thin = policy(tmp_path / "thin", trained_on={"market": "sh600961", "regimes": "thin"})
    both = policy(tmp_path / "both", trained_on={"markets": ["sh600961"], "regimes": "plain, thin"})
    other = policy(tmp_path / "other", trained_on={"market": "sh600961", "regimes": "plain, calm"})
    plain = policy(tmp_path / "plain", trained_on={"market": "sh600961"})
    assert untrained_notes({"thin": [thin, both]}) == []
    assert untrained_notes({"thin": [other, plain]}) == [
        "k0 was given as trained in thin, but its card does not say so: regimes plain, calm",
        "k0 was given as trained in thin, but its card does not say so: it names no regime",
    ]


# -- adaptation ------------------------------------------------------------------------------------------------------


def interval(mean: float, half: float) -> Estimate:
    return Estimate(mean, mean - half, mean + half)


def result(mine: float, specialist: float, half: float) -> Any:
    cell = AdaptationCell(
        is_bps={"mine": interval(mine, half), "k1": interval(specialist, half)},
        paired={},
        specialist="k1",
        frozen=[],
        difference_to_specialist={"mine": interval(mine - specialist, 0.5)},
        loss_to_specialist={"mine": interval(mine / specialist - 1, 0.25)},
    )
    return SimpleNamespace(adaptation={"thin": cell})


def test_bps_come_first_and_what_is_cheaper_is_less() -> None:
    [line] = adaptation_lines(result(2.0, 4.0, 1.0), "mine")
    assert (
        "costs 2.00 [1.50, 2.50] bps (50.0 [25.0, 75.0] %) less than k1, given as trained in it"
        in line
    )
    [line] = adaptation_lines(result(6.0, 4.0, 1.0), "mine")
    assert "costs 2.00 [1.50, 2.50] bps (50.0 [25.0, 75.0] %) more than k1" in line
    assert list(adaptation_rows(result(2.0, 4.0, 1.0))) == [
        ("thin", "k1", "mine", "-2.00 [-2.50, -1.50]", "-50.0 [-75.0, -25.0] %")
    ]


def test_of_a_cost_that_may_be_zero_no_percentage_is_told() -> None:
    [line] = adaptation_lines(result(6.0, 4.0, 5.0), "mine")
    assert "costs 2.00 [1.50, 2.50] bps more than k1" in line
    assert "%" not in line
    assert next(adaptation_rows(result(6.0, 4.0, 5.0)))[-1] == ""
