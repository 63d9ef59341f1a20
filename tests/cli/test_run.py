"""The main job as a person runs it: whole processes, small runs, everything that stays behind."""

import json
import os
import re
import signal
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.api.conftest import OWN
from tests.cli.command import done, refused, tercel
from tests.program import COMMAND
from tests.waiting import DEADLINE_S, until

from tercel.api import runs
from tercel.api.runs import Run
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.ledger import Ledger
from tercel.execution.market import Market
from tercel.execution.policies.card import read_card
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord
from tercel.lab.evaluation.pipeline.judged_tables import judged_table
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.learning.agent.learner import learner_settings
from tercel.lab.learning.agent.run_folder import is_done
from tercel.lab.learning.checkpoint import load_checkpoint
from tercel.market.flow.registry import DEFAULT, load
from tercel.market.simulator.days import DAYS, simulated_lake
from tercel.market.simulator.terms import Fees

ROOT = Path(__file__).resolve().parents[2]
LEARNED = ["default", "trained"]
WRITTEN = runs.BASELINE_NAMES.split(",")
MOST_LINES = 25
"""That a run prints at 80 columns, the command that trades among them."""


def start(folder: Path, *words: object) -> "subprocess.Popen[str]":
    """`tercel run` in a session of its own, so that a signal may reach all its processes."""
    return subprocess.Popen(
        [*COMMAND, "run", *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


# -- what makes no run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--market csco-2033 --out new", "csco-santa-fe"),
        ("--market nowhere.json --out new", "nowhere.json"),
        ("--tape {lake} --symbol SIN --out new", "SIM"),
        ("--tape {lake}/nowhere --symbol SIM --out new", "import"),
        ("--tape {lake} --symbol SIM --impact weights --out new", "propagator"),
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
    tmp_path: Path, lake: Path, words: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (
        ("run/run.json", "{}"),
        ("other/notes.txt", "mine"),
        ("broken/run.json", "{"),
        ("file", ""),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    before, days = contents(tmp_path), contents(lake)
    monkeypatch.chdir(tmp_path)
    result = tercel("run", "--quick", "--json", *words.format(lake=lake).split())
    refused(result, told)
    assert set(json.loads(result.stdout)) == {"error"}
    assert contents(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "file", "other", "run"]
    assert contents(lake) == days


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


def test_a_run_keeps_what_is_assumed_of_own_impact(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(
        json.dumps(BEFORE | {"passive_impact": 0.0, "impact_scale": 2.0})
    )
    run = Run.load(tmp_path)
    assert (run.scenario.market.passive_impact, run.scenario.market.impact_scale) == (0.0, 2.0)
    assert Scenario(replace(run.scenario.market, passive_impact=1.0)).id != run.scenario.id
    [job, *_] = replace(
        run, frames=runs.FRAMES, scenario=Scenario(Market("csco-santa-fe", passive_impact=0.5))
    ).trainings()
    assert [market.passive_impact for market in job.config.market.markets] == [0.5]
    assert run.to_dict()["passive_impact"] == 0.0


@pytest.mark.parametrize("quick", [True, False])
def test_a_run_trains_its_recipe_in_its_market(tmp_path: Path, quick: bool) -> None:
    run = Run(Scenario(Market(DEFAULT)), quick=quick, frames=runs.FRAMES, folder=tmp_path)
    (job,) = run.trainings()
    learner_settings(job.config)  # refuses what its learner does not have
    assert (job.config.learner.algo, job.config.learner.frames) == ("es", runs.FRAMES)
    assert (job.config.market.presets, job.config.policy.actions) == ((DEFAULT,), "costs")


# -- a whole run ------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_run_is_told_filed_shown_again_and_traded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tercel run --quick` with a strategy of the user's: its object, its files, the same when resumed, its desk."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(OWN)
    folder = Path("made/here")
    ran = tercel("run", "--quick", "--strategy", "mine.py:half_now", "--json", "--out", folder)
    assert ran.exit_code == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert set(result["strategies"]) == {*WRITTEN, *LEARNED, "half_now"}
    assert result["kinds"]["half_now"] == "own"
    for name, row in result["strategies"].items():
        assert all(cell["ci_low"] <= cell["ci_high"] for cell in row.values()), name
        parts = ("spread_bps", "impact_bps", "timing_bps", "forced_bps", "fees_bps")
        assert row["is_bps"]["mean"] == pytest.approx(sum(row[p]["mean"] for p in parts), abs=1e-9)
    assert result["strategies"]["twap_take"]["adaptability"]["mean"] == 0
    assert result["best_baseline"] in WRITTEN
    assert set(result["paired_vs_best_baseline"]) == {*LEARNED, "half_now"}
    assert (result["episodes"], result["clusters"]) == (64, 32)
    assert 1000 in result["seeds"]
    assert (result["market"], result["out"]) == (DEFAULT, "made/here")
    assert "{" not in ran.stderr, "results go to stdout"
    assert json.loads((folder / "result.json").read_text()) == result
    assert {p.name for p in folder.iterdir()} == {
        *(".lock", "run.json", "result.json", "report.html", "policies", "cells")
    }
    assert not list(folder.rglob(".part.*"))
    assert [p.name for p in (folder / "policies").iterdir()] == ["trained-1000"]
    policy = folder / "policies" / "trained-1000" / "policy"
    card = read_card(policy / "card.json")
    assert (card.name, card.seed) == ("trained", 1000)
    assert policy_strategy(policy, "mine").name == "mine"
    assert ran.stderr.count("kept: the start") == card.is_start
    report = (folder / "report.html").read_text()
    links = re.findall(r"""(?:src|href|action|data|poster)\s*=\s*["']?([^"'\s>]+)""", report)
    assert [link for link in links if not link.startswith(("#", "data:"))] == []
    assert re.findall(r"url\((?![\"']?(?:#|data:))|@import", report) == []
    assert [name for name in (*WRITTEN, *LEARNED) if name not in report] == []
    sentences = judged_table(EvaluationRecord.from_json(result)).sentences()
    caveat = next(sentences)
    assert caveat == "A quick run: too few episodes to judge by; a look, not a judgement."
    assert f"<h1>{caveat.removesuffix('.')}</h1>" in report
    assert next(sentences).startswith(("trained: ", "default: "))
    policies = contents(folder / "policies")
    shown = tercel("run", "--resume", "--out", folder)
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert [line for line in lines if line.startswith(" twap_take ")]
    more = 3  # a quick run's caveat, a row of the user's
    assert len(lines) <= MOST_LINES + more
    gain = result["paired"]["trained"]["guarded"]["mean"]
    row = next(line for line in lines if line.startswith(" trained "))
    shown_gain = f"{gain:+.2f}" if round(gain, 2) else "0.00"
    assert f"{shown_gain} [" in row, "the difference to what it begins as stands beside its cost"
    assert "vs guarded" in shown.stdout
    assert json.loads((folder / "result.json").read_text()) == result
    assert contents(folder / "policies") == policies
    assert lines[-1] == "tercel trade run made/here/desk.toml"
    monkeypatch.setenv("TERCEL_DESK", "desks/mine")
    traded = tercel(*lines[-1].split()[1:])
    assert traded.exit_code == 0, traded.output
    with closing(JournalReader(Path("desks/mine"))) as journal:
        parents = list(Ledger.of(journal).parents)
    assert {(one.order.agent, one.order.strategy) for one in parents} == {
        ("trained", "policy:made/here/policies/trained-1000/policy+posture")
    }
    assert sum(one.filled for one in parents) > 0


# -- stopped and resumed ----------------------------------------------------------------------------------------------

SMALL = Run(
    Scenario(Market("csco-santa-fe")), quick=True, seed=3, episodes=8, seeds=1, frames=131_072
)
TRAINING = Path("policies", "trained-3000")


def metrics(folder: Path) -> list[str]:
    """What the training of a run wrote of its updates, one line each."""
    file = folder / TRAINING / "metrics.csv"
    return file.read_text().splitlines()[1:] if file.exists() else []


def stop(folder: Path, how: str) -> tuple[int, str, str]:
    """Resume the run in `folder` and stop it when its training has learned something new; what came of it.

    Two states of a training's metrics that were not there before hold an update at least: the first may be what a
    resumed training takes back.
    """
    seen = {"".join(metrics(folder))}
    process = start(folder.parent, "--resume", "--json", "--out", folder.name)

    def learned() -> bool:
        assert process.poll() is None, process.communicate()
        seen.add("".join(metrics(folder)))
        return len(seen) > 2 or is_done(folder / TRAINING)

    try:
        until(learned, what="an update of the training")
        if how == "group":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.kill()
        stdout, stderr = process.communicate(
            timeout=DEADLINE_S
        )  # ends when every worker has ended too
    finally:
        process.kill()
    return process.returncode, stdout, stderr


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_run_that_is_stopped_again_and_again_ends_like_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole, cut = tmp_path / "whole", tmp_path / "cut it"
    for folder in (whole, cut):
        folder.mkdir()
        SMALL.claim(folder, user_named=True)
    done("run", "--resume", "--out", "whole")
    for how in ("kill", "group"):
        code, stdout, stderr = stop(cut, how)
        assert stdout == ""
        assert "Traceback" not in stderr
        assert not (cut / "result.json").exists()
        if how == "kill":
            assert code == -signal.SIGKILL
            continue
        assert code == 130
        assert "tercel run --resume --out 'cut it'" in stderr
        kept = load_checkpoint(cut / TRAINING / "checkpoint")
        assert kept is not None
        last = float(metrics(cut)[-1].split(",", 1)[0])
        assert kept["frames"] == last, "nothing learned is lost"
    resumed = done("run", "--resume", "--out", "cut it")
    assert resumed["strategies"] == json.loads((whole / "result.json").read_text())["strategies"]
    one, two = ([row.rsplit(",", 1)[0] for row in metrics(folder)] for folder in (whole, cut))
    assert one == two, "all but the seconds"
    cards = [read_card(f / TRAINING / "policy" / "card.json") for f in (whole, cut)]
    assert cards[0].weights_sha256 == cards[1].weights_sha256


# -- on tape ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "spans"),
    [
        pytest.param(
            3, "2003-01-13 to 2003-01-14, judged on 2003-01-15", marks=pytest.mark.release
        ),
        pytest.param(1, "first two thirds, judged on", marks=pytest.mark.long),
    ],
)
def test_a_run_on_tape(tmp_path: Path, days: int, spans: str) -> None:
    lake = simulated_lake(tmp_path / "lake", 4, DAYS[:days]).root
    typed = f"run --tape {lake} --symbol SIM --impact none --quick --seed 2 --json"
    ran = tercel(*typed.split(), "--out", tmp_path / "a")
    assert ran.exit_code == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert f"{result['episodes']} orders are judged" in ran.stderr
    assert set(result["strategies"]) == {*WRITTEN, *LEARNED}
    for row in result["strategies"].values():
        assert row["impact_bps"] is None
        parts = ("spread_bps", "timing_bps", "forced_bps", "fees_bps")
        assert row["is_bps"]["mean"] == pytest.approx(sum(row[p]["mean"] for p in parts), abs=1e-9)
    notes = " | ".join(result["notes"])
    assert re.search("one (judged )?day", notes.lower()), "whatever was trained on"
    assert result["cluster"] == "30-minute block"
    assert result["episodes"] == 2 * result["clusters"]
    assert spans in notes
    assert load(tmp_path / "a" / "market.json").symbol == "SIM"
