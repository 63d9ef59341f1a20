"""The main job as a person runs it: whole processes, small runs, everything that stays behind."""

import json
import os
import re
import shlex
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import OWN
from tests.program import COMMAND
from tests.waiting import DEADLINE_S, until
from typer.testing import CliRunner

from tercel.api import runs
from tercel.api.runs import Run
from tercel.cli.root import app
from tercel.desk.trading.journal.store import JournalReader
from tercel.desk.trading.ledger import Ledger
from tercel.execution.market import Market
from tercel.execution.policies.policy import read_card
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.pipeline.evaluation import EvaluationResult
from tercel.lab.evaluation.pipeline.views import judged_table
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.learning.agent.learner import learner_settings
from tercel.lab.learning.agent.training import is_done
from tercel.lab.learning.port import load_checkpoint
from tercel.market.flow.preset import DEFAULT, load
from tercel.market.simulator.days import DAYS, simulated_lake
from tercel.market.simulator.terms import Fees
from tercel.market.tape import Lake

ROOT = Path(__file__).resolve().parents[2]
LEARNED = ["default", "trained"]
TRAINED = ["trained-1000"]
WRITTEN = runs.AGAINST.split(",")
MOST_LINES = 25
"""That a run prints at 80 columns, the command that trades among them."""
KEYS = {
    *(
        "is_bps",
        "spread_bps",
        "impact_bps",
        "timing_bps",
        "forced_bps",
        "fees_bps",
        "timing_risk_bps",
    ),
    *("passive_share", "adaptability"),
}


def start(folder: Path, *words: object, **options: Any) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    command = [*COMMAND, "run", *map(str, words)]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        **options,
    )


def tercel(folder: Path, *words: object) -> tuple[int, str, str]:
    process = start(folder, *words)
    try:
        stdout, stderr = process.communicate(timeout=2 * DEADLINE_S)
    finally:
        process.kill()
    return process.returncode, stdout, stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


# -- what makes no run ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `three` and `one`: lakes with that many simulated days of four hours."""
    root = tmp_path_factory.mktemp("lakes")
    for name, days in (("three", DAYS), ("one", DAYS[:1])):
        simulated_lake(root / name, 4, days)
    return root


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--market csco-2033 --out new", "csco-santa-fe"),
        ("--market nowhere.json --out new", "nowhere.json"),
        ("--tape {lakes}/three --symbol SIN --out new", "SIM"),
        ("--tape {lakes}/nowhere --symbol SIM --out new", "import"),
        ("--tape {lakes}/three --symbol SIM --impact weights --out new", "propagator"),
        ("--market csco-santa-fe --impact square_root --out new", "translation"),
        ("--resume --out new", "run.json"),
        ("--resume", "runs"),
        ("--out run", "--resume"),
        ("--out other", "another"),
        ("--out file", "file"),
        ("--resume --out broken", "run.json"),
    ],
)
def test_what_makes_no_run_touches_nothing(
    tmp_path: Path, lakes: Path, words: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (
        ("run/run.json", "{}"),
        ("other/notes.txt", "mine"),
        ("broken/run.json", "{"),
        ("file", ""),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    before, lake = contents(tmp_path), contents(lakes)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["run", "--quick", "--json", *words.format(lakes=lakes).split()])
    assert done.exit_code == 2
    assert set(json.loads(done.stdout)) == {"error"}
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "file", "other", "run"]
    assert contents(lakes) == lake


def test_settings_come_back_as_they_were(tmp_path: Path) -> None:
    late = Task(share=0.2, latency=Latency("uniform", 1, 5))
    run = Run(Scenario(Market("x", impact="translation"), late), seed=7, seeds=2)
    run.claim(tmp_path, named=True)
    assert Run.load(tmp_path) == run
    assert run.training_seeds == [7000, 7001]


BEFORE = {
    "market": "", "lake": "/days", "symbol": "SIM", "quick": True, "seed": 3, "episodes": 1000, "seeds": 2, "frames": 0,
    "task": {
        "side": 1, "share": None, "horizon_s": 1800.0, "decisions": 60, "clock": "time", "clock_step": 0,
        "warmup_s": 900.0, "latency": {"kind": "uniform", "a_ns": 1, "b_ns": 5, "values_ns": []},
        "feed_latency": {"kind": "constant", "a_ns": 0, "b_ns": 0, "values_ns": []}, "grid_points": 61, "quantity": 500,
    },
    "regimes": "", "fees": {"maker": 1.0, "taker": 5.0, "unit": "bps"}, "queue": "power_prob", "impact": "propagator",
    "judged": "2003-01-14,2003-01-15",
    "orders": [{
        "time": "2003-01-14 10:30", "symbol": "SIM", "side": 1, "quantity": 5, "horizon": 600.0, "limit_price": None
    }],
    "strategies": ["mine:Half"],
}  # fmt: skip


def test_a_run_written_before_markets_were_one_object_opens_and_is_written_as_it_was(
    tmp_path: Path,
) -> None:
    (tmp_path / "run.json").write_text(json.dumps(BEFORE))
    run = Run.load(tmp_path)
    fees, days = Fees(1.0, 5.0, "bps"), ("2003-01-14", "2003-01-15")
    assert run.scenario.market == Market("", "/days", "SIM", days, "propagator", fees, bound="kind")
    assert run.scenario.task == Task(side=1, quantity=500, latency=Latency("uniform", 1, 5))
    assert json.dumps(run.to_dict()) == json.dumps(BEFORE), "marks of folders are made of it"


def test_a_market_that_says_how_late_it_is_says_it_of_the_task() -> None:
    scenario = Scenario(Market("csco", latency=Latency(a_ns=7)), Task())
    assert (scenario.task.latency, scenario.task.feed_latency) == (
        Latency(a_ns=7),
        Task().feed_latency,
    )
    assert scenario == Scenario(Market("csco"), Task(latency=Latency(a_ns=7)))


@pytest.mark.parametrize("quick", [True, False])
def test_a_run_trains_its_recipe_in_its_market(tmp_path: Path, quick: bool) -> None:
    run = Run(Scenario(Market(DEFAULT)), quick=quick, frames=runs.FRAMES, folder=tmp_path)
    (job,) = run.trainings()
    learner_settings(job.config)  # refuses what its learner does not have
    assert (job.config.learner.algo, job.config.learner.frames) == ("es", runs.FRAMES)
    assert (job.config.market.presets, job.config.policy.actions) == ((DEFAULT,), "costs")


# -- a whole run ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str, str]:
    """Folder, result, stdout and stderr of `tercel run --quick`, with a strategy of the user's."""
    place = tmp_path_factory.mktemp("quick")
    (place / "mine.py").write_text(OWN)
    code, stdout, stderr = tercel(
        place, "--quick", "--strategy", "mine.py:half_now", "--json", "--out", "made/here"
    )
    assert code == 0, stderr
    return place / "made/here", json.loads(stdout), stdout, stderr


@pytest.mark.long
def test_the_json_of_a_run(quick: tuple[Path, dict[str, Any], str, str]) -> None:
    folder, result, stdout, stderr = quick
    assert stdout.count("\n") == 1
    assert {
        *(
            "strategies",
            "best_baseline",
            "paired_vs_best_baseline",
            "episodes",
            "clusters",
            "seeds",
            "market",
        ),
        *("task", "out"),
    } <= set(result)
    assert set(result["strategies"]) == {*WRITTEN, *LEARNED, "half_now"}
    assert result["kinds"]["half_now"] == "own"
    for name, row in result["strategies"].items():
        assert set(row) == KEYS, name
        for key, cell in row.items():
            assert set(cell) == {"mean", "ci_low", "ci_high"}, (name, key)
            assert cell["ci_low"] <= cell["ci_high"]
        parts = ("spread_bps", "impact_bps", "timing_bps", "forced_bps", "fees_bps")
        assert row["is_bps"]["mean"] == pytest.approx(sum(row[p]["mean"] for p in parts), abs=1e-9)
        assert 0 <= row["adaptability"]["mean"] <= 1
        assert 0 <= row["passive_share"]["mean"] <= 1
    assert result["strategies"]["twap_take"]["adaptability"]["mean"] == 0
    assert result["best_baseline"] in WRITTEN
    assert set(result["paired_vs_best_baseline"]) == {*LEARNED, "half_now"}
    assert (result["episodes"], result["clusters"]) == (64, 32)
    assert 1000 in result["seeds"]
    assert result["market"] == DEFAULT
    assert result["task"]["horizon_s"] == 1800.0
    assert result["out"] == "made/here"
    assert json.loads((folder / "result.json").read_text()) == result
    assert "Traceback" not in stderr
    assert "{" not in stderr, "results go to stdout"


@pytest.mark.long
def test_the_files_of_a_run(quick: tuple[Path, dict[str, Any], str, str]) -> None:
    folder = quick[0]
    assert {p.name for p in folder.iterdir()} == {
        *(".lock", "run.json", "result.json", "report.html", "policies", "cells")
    }
    assert not list(folder.rglob(".part.*"))
    assert {p.name for p in (folder / "policies").iterdir()} == set(TRAINED)
    for name in TRAINED:
        card = read_card(folder / "policies" / name / "policy" / "card.json")
        assert f"{card.name}-{card.seed}" == name
        assert policy_strategy(folder / "policies" / name / "policy", name).name == name
    report = (folder / "report.html").read_text()
    links = re.findall(r"""(?:src|href|action|data|poster)\s*=\s*["']?([^"'\s>]+)""", report)
    assert [link for link in links if not link.startswith(("#", "data:"))] == []
    assert re.findall(r"url\((?![\"']?(?:#|data:))", report) == []
    assert "@import" not in report
    for name in [*WRITTEN, *LEARNED]:
        assert name in report
    headline = re.search(r"<h1>(.*?)</h1>", report)
    assert headline
    assert headline[1] == "A quick run: too few episodes to judge by; a look, not a judgement"


@pytest.mark.long
def test_a_quick_run_says_first_that_it_is_no_judgement(
    quick: tuple[Path, dict[str, Any], str, str],
) -> None:
    folder, result, _, stderr = quick
    sentences = judged_table(EvaluationResult.from_json(result)).sentences()
    assert next(sentences) == "A quick run: too few episodes to judge by; a look, not a judgement."
    assert next(sentences).startswith(("trained: ", "default: "))
    cards = [read_card(folder / "policies" / name / "policy" / "card.json") for name in TRAINED]
    assert stderr.count("kept: the start") == sum(card.is_start for card in cards)


@pytest.mark.long
def test_a_finished_run_is_printed_again(quick: tuple[Path, dict[str, Any], str, str]) -> None:
    folder, result, *_ = quick
    policies = contents(folder / "policies")
    code, stdout, stderr = tercel(folder.parents[1], "--resume", "--out", "made/here")
    assert code == 0, stderr
    lines = stdout.splitlines()
    assert [line for line in lines if line.startswith(" twap_take ")]
    assert lines[-1] == "tercel trade run made/here/desk.toml"
    more = 3  # a quick run's caveat, a row of the user's
    assert len(lines) <= MOST_LINES + more
    gain = result["paired"]["trained"]["guarded"]["mean"]
    row = next(line for line in lines if line.startswith(" trained "))
    assert f"{gain:+.2f} [" in row, "the difference to what it begins as stands beside its cost"
    assert "vs guarded" in stdout
    assert json.loads((folder / "result.json").read_text()) == result
    assert contents(folder / "policies") == policies


@pytest.mark.long
def test_the_last_line_of_a_run_trades_what_it_trained(
    quick: tuple[Path, dict[str, Any], str, str],
) -> None:
    place = quick[0].parents[1]
    _, stdout, _ = tercel(place, "--resume", "--out", "made/here")
    name, *words = shlex.split(stdout.splitlines()[-1])
    assert name == "tercel"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERCEL_DESK": "desks/mine"}
    subprocess.run([*COMMAND, *words], cwd=place, env=environment, check=True, timeout=DEADLINE_S)
    with closing(JournalReader(place / "desks" / "mine")) as journal:
        parents = list(Ledger.of(journal).parents)
    assert {(one.order.agent, one.order.strategy) for one in parents} == {
        ("trained", "policy:made/here/policies/trained-1000/policy+posture")
    }
    assert sum(one.filled for one in parents) > 0


# -- stopped and resumed ----------------------------------------------------------------------------------------------

SMALL = Run(
    Scenario(Market("csco-santa-fe")), quick=True, seed=3, episodes=8, seeds=1, frames=262_144
)


def prepared(folder: Path) -> Path:
    folder.mkdir()
    SMALL.claim(folder, named=True)
    return folder


TRAININGS = ("trained-3000",)


def metrics(folder: Path, training: str) -> list[str]:
    """What a training wrote of its updates, one line each."""
    file = folder / "policies" / training / "metrics.csv"
    return file.read_text().splitlines()[1:] if file.exists() else []


def stop(folder: Path, how: str) -> tuple[int, str, str]:
    """Resume the run in `folder` and stop it when every training has learned something new; what came of it.

    Two states of a training's metrics that were not there before hold an update at least: the first may be what a
    resumed training takes back.
    """
    seen = {one: {"".join(metrics(folder, one))} for one in TRAININGS}
    process = start(folder.parent, "--resume", "--json", "--out", folder.name)

    def learned() -> bool:
        assert process.poll() is None, process.communicate()
        for one in TRAININGS:
            seen[one].add("".join(metrics(folder, one)))
        return all(
            len(states) > 2 or is_done(folder / "policies" / one) for one, states in seen.items()
        )

    try:
        until(learned, what="an update of the training")
        if how == "group":
            os.killpg(process.pid, signal.SIGINT)
        else:
            os.kill(process.pid, signal.SIGINT if how == "parent" else signal.SIGKILL)
        stdout, stderr = process.communicate(
            timeout=DEADLINE_S
        )  # ends when every worker has ended too
    finally:
        process.kill()
    return process.returncode, stdout, stderr


def strategies(folder: Path) -> str:
    return json.dumps(json.loads((folder / "result.json").read_text())["strategies"])


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_run_that_is_stopped_again_and_again_ends_like_one_that_is_not(tmp_path: Path) -> None:
    whole, cut = prepared(tmp_path / "whole"), prepared(tmp_path / "cut it")
    code, _, stderr = tercel(tmp_path, "--resume", "--out", "whole")
    assert code == 0, stderr
    for how in ("parent", "kill", "group"):
        code, stdout, stderr = stop(cut, how)
        assert stdout == ""
        assert "Traceback" not in stderr
        assert not (cut / "result.json").exists()
        if how != "kill":
            assert code == 130
            assert "tercel run --resume --out 'cut it'" in stderr
            for one in TRAININGS:
                kept = load_checkpoint(cut / "policies" / one / "checkpoint")
                assert kept is not None
                assert kept["frames"] == float(metrics(cut, one)[-1].split(",", 1)[0]), (
                    "nothing learned is lost"
                )
        else:
            assert code == -signal.SIGKILL
    code, _, stderr = tercel(tmp_path, "--resume", "--out", "cut it")
    assert code == 0, stderr
    assert strategies(cut) == strategies(whole)
    for name in TRAININGS:
        one, two = ([row.rsplit(",", 1)[0] for row in metrics(f, name)] for f in (whole, cut))
        assert one == two, "all but the seconds"
        one, two = (read_card(f / "policies" / name / "policy" / "card.json") for f in (whole, cut))
        assert one.weights_sha256 == two.weights_sha256


# -- on tape ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [pytest.param("three", marks=pytest.mark.release), pytest.param("one", marks=pytest.mark.long)],
)
def test_a_run_on_tape(tmp_path: Path, lakes: Path, name: str) -> None:
    words = (
        "--tape",
        lakes / name,
        "--symbol",
        "SIM",
        "--impact",
        "none",
        "--quick",
        "--json",
        "--seed",
        2,
    )
    code, stdout, stderr = tercel(tmp_path, *words, "--out", "a")
    assert code == 0, stderr
    result = json.loads(stdout)
    assert f"{result['episodes']} orders are judged" in stderr
    assert set(result["strategies"]) == {*WRITTEN, *LEARNED}
    for row in result["strategies"].values():
        assert set(row) == KEYS
        assert row["impact_bps"] is None
        parts = ("spread_bps", "timing_bps", "forced_bps", "fees_bps")
        assert row["is_bps"]["mean"] == pytest.approx(sum(row[p]["mean"] for p in parts), abs=1e-9)
    notes = " | ".join(result["notes"])
    assert re.search("one (judged )?day", notes.lower()), "whatever was trained on"
    assert result["cluster"] == "30-minute block"
    assert result["episodes"] == 2 * result["clusters"]
    spans = (
        "2003-01-13 to 2003-01-14, judged on 2003-01-15"
        if name == "three"
        else "first two thirds, judged on"
    )
    assert spans in notes
    assert load(tmp_path / "a" / "market.json").symbol == "SIM"
    assert [i.date for i in Lake(lakes / name).list()] == [
        "2003-01-13",
        "2003-01-14",
        "2003-01-15",
    ][: 3 if name == "three" else 1]
    if name == "one":
        code, again, _ = tercel(tmp_path, *words, "--out", "b")
        assert json.dumps(json.loads(again)["strategies"]) == json.dumps(result["strategies"])
