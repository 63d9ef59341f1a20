"""`tercel agent list|show|export|register|promote`: what they print, what they refuse, what they leave behind."""

import json
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.command import done, refused as checked, tercel
from tests.execution.registry.helper import small_policy
from tests.policies import PPO

from tercel.execution.policies.card import Card
from tercel.execution.policies.folder import load_policy


def told(*words: object) -> dict[str, Any]:
    return done("agent", *words)


def refused(*words: object) -> str:
    return checked(tercel("agent", *words), "expected", "to go on")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TERCEL_REGISTRY", raising=False)
    return tmp_path


def evaluation(path: Path, low: float, weights: str, **paired: float) -> Path:
    interval = {"mean": low + 1, "ci_low": low, "ci_high": low + 2}
    more = {name: {"mean": of + 1, "ci_low": of, "ci_high": of + 2} for name, of in paired.items()}
    data = {
        "best_baseline": "peg_behind",
        "paired_vs_best_baseline": {"mine": interval},
        "paired": {
            "mine": {"peg_behind": interval, **{k.replace("_at_", "@"): v for k, v in more.items()}}
        },
        "policies": {"mine": {"weights_sha256": weights}},
    }
    path.write_text(json.dumps(data))
    return path


def taking(folder: Path) -> list[tuple[object, ...]]:
    """Commands that read the card of a policy."""
    return [
        ("show", folder), ("evaluate", folder),
        ("export", folder, "--out", "x"), ("register", folder, "--name", "n"),
    ]  # fmt: skip


def test_list_knows_packaged_registered_and_trained(home: Path) -> None:
    small_policy(home / "runs" / "agents" / "a-1" / "policy")
    (home / "runs" / "agents" / "b-1").mkdir()
    told("register", "default", "--name", "csco")
    found = told("list")
    rows = [(row["policy"], row["alias"], row["measured"]) for row in found["packaged"]]
    assert rows == [("default-1", "default", "judged, sh600961")]
    assert [row["policy"] for row in found["registry"]["versions"]] == ["csco@1"]
    assert [row["policy"] for row in found["runs"]] == ["runs/agents/a-1", "runs/agents/b-1"]
    assert "--resume" in found["runs"][1]["fault"]
    printed = tercel("agent", "list").stdout
    for part in ("measured", "judged, sh600961", "csco@1", "runs/agents/a-1", "default-1"):
        assert part in printed


def test_list_says_where_and_how_a_cost_was_measured() -> None:
    card = Card("mine", (), "sized", 1, trained_on={"markets": ["csco", "ibm"]})
    assert card.measured == "-"
    looked = replace(card, scores={"validation": {"is_bps": 9.0}})
    assert looked.measured == "validation, csco ibm"
    judged = replace(
        looked,
        scores={**looked.scores, "is_bps": {"mean": 8.0}, "by_market": {"ibm": {}, "csco": {}}},
    )
    assert judged.measured == "judged, ibm"


def test_show_tells_what_the_card_says() -> None:
    found = told("show", PPO)
    assert (len(found["observes"]), found["actions"], found["observation_fits"]) == (
        50,
        "placement",
        True,
    )
    assert found["scores"]["is_bps"]["ci_low"] < found["scores"]["is_bps"]["mean"]
    printed = tercel("agent", "show", PPO).stdout
    for part in (found["observation_hash"], found["weights_sha256"], "placement", "limits of use"):
        assert part in printed
    found = told("show", "default")
    observed = (found["observation"], found["observation_fits"], len(found["observes"]))
    assert observed == ("costs", True, 6)


@pytest.mark.parametrize("name", ["x", "x.zip"])
def test_exported_files_are_the_policy(home: Path, name: str) -> None:
    found = told("export", PPO, "--out", name)
    assert found["native_difference"] == 0.0
    if find_spec("onnxruntime"):
        assert found["onnxruntime_difference"] < 1e-4
        assert found["same_action_share"] == 1.0
    if name.endswith(".zip"):
        with zipfile.ZipFile(home / name) as file:
            file.extractall(home / "unpacked")
    folders = PPO, home / name.replace("x.zip", "unpacked")
    (ours, _), (theirs, _) = (load_policy(folder) for folder in folders)
    x = np.random.default_rng(0).normal(size=(64, 50)).astype(np.float32)
    np.testing.assert_array_equal(ours.logits(x), theirs.logits(x))
    assert "--replace" in refused("export", "default", "--out", name)
    assert told("export", "default", "--out", name, "--replace")["policy"] == "default"
    assert not [path.name for path in home.iterdir() if path.name.startswith(".")]


def test_export_replaces_its_own_kind_alone_and_leaves_nothing_of_what_failed(home: Path) -> None:
    folder = small_policy(home / "p")
    (folder / "policy.onnx").write_bytes(b"no network")
    assert "damaged" in refused("export", folder, "--out", "x")
    assert "a format" in refused("export", PPO, "--out", "x", "--format", "pickle")
    (home / "mine").mkdir()
    (home / "x.zip").mkdir()
    for path in ("notes", "mine/thesis.txt"):
        (home / path).write_text("years of work")
    for name, said in (
        ("notes", "which is a file"),
        ("x.zip", "which is a folder"),
        ("mine", "emptied"),
    ):
        assert said in refused("export", PPO, "--out", name, "--replace")
    assert {path.name for path in home.iterdir()} == {"p", "mine", "notes", "x.zip"}
    for path in ("notes", "mine/thesis.txt"):
        assert (home / path).read_text() == "years of work"


def test_register_counts_and_knows_what_it_has() -> None:
    assert [
        told("register", p, "--name", "csco")["label"] for p in ("default-1", PPO, "default-1")
    ] == [
        "csco@1",
        "csco@2",
        "csco@1",
    ]
    assert told("register", "csco@2", "--name", "other")["new"]


def test_promotion_wants_evidence_or_a_reason(home: Path) -> None:
    mine = told("register", "default", "--name", "csco")["weights_sha256"]
    words = ("promote", "csco@1", "--to", "champion")
    assert "evidence" in refused(*words)
    bad = evaluation(home / "bad.json", -0.5, mine)
    assert "-0.50" in refused(*words, "--evidence", bad)
    other = evaluation(home / "other.json", 0.5, "of another")
    assert "csco@1" in refused(*words, "--evidence", other)
    assert told("list")["registry"]["versions"][0]["alias"] == ""
    made = told(*words, "--evidence", evaluation(home / "good.json", 0.5, mine))
    assert (made["alias"], made["number"], made["before"]) == ("champion", 1, 0)
    assert "over peg_behind" in made["why"]
    assert told("show", "csco@champion")["weights_sha256"] == mine
    rehearsal = told("promote", "csco@1", "--to", "challenger", "--reason", "a rehearsal")
    assert rehearsal["why"] == "a rehearsal"


def test_a_challenger_must_beat_the_champion_beside_it(home: Path) -> None:
    told("register", "default-1", "--name", "csco")
    told("promote", "csco@1", "--to", "champion", "--reason", "the first")
    mine = told("register", PPO, "--name", "csco")["weights_sha256"]
    worse = evaluation(home / "e.json", 0.5, mine, csco_at_champion=-1.0)
    assert "over csco@champion" in refused(
        "promote", "csco@2", "--to", "champion", "--evidence", worse
    )
    better = evaluation(home / "e.json", 0.5, mine, csco_at_champion=0.1)
    assert len(told("promote", "csco@2", "--to", "champion", "--evidence", better)["evidence"]) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "nowhere/at/all"), "no such folder"),
        (("show", "defualt-1"), "default-1"),
        (("show", "csco@1"), "registered in"),
        (("register", "default", "--name", "a/b"), "a name of letters"),
        (("promote", "csco", "--to", "champion", "--reason", "x"), "NAME@VERSION"),
        (("promote", "csco@1", "--to", "king", "--reason", "x"), "challenger"),
        (
            ("promote", "csco@1", "--to", "champion", "--evidence", "none.json"),
            "none is registered",
        ),
        (
            ("list", "--registry", "mlflow+nonsense://x"),
            "[mlflow]" if find_spec("mlflow") is None else "MLflow at",
        ),
    ],
)
def test_refusals(home: Path, words: tuple[str, ...], said: str) -> None:
    assert said in refused(*words)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "card", ["{", "{}", '{"format": 9, "name": "x", "observes": [], "actions": "", "n_actions": 1}']
)
def test_damaged_cards(home: Path, card: str) -> None:
    folder = small_policy(home / "runs" / "agents" / "p")
    (folder / "card.json").write_text(card)
    for words in taking(folder):
        assert "a card" in refused(*words)
    assert "a card" in told("list")["runs"][0]["fault"]


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("scores", None, "scores"),
        ("trained_on", [], "trained_on"),
        ("learner", "x", "learner"),
        ("task", {"horizon_s": float("nan")}, "task.horizon_s"),
        ("task", {"share": "x"}, "task.share"),
        ("task", {"latency": {"a_ns": float("inf")}}, "task.latency.a_ns"),
        ("trained_on", {"markets": 5}, "trained_on.markets"),
        ("limits", {"markets": [1]}, "limits.markets"),
        ("seed", "1", "seed"),
        ("frames", None, "frames"),
        ("n_actions", True, "n_actions"),
        ("version", 1, "version"),
    ],
)
def test_cards_with_fields_of_another_type(
    home: Path, name: str, value: object, field: str
) -> None:
    folder = small_policy(home / "p")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, name: value}))
    for words in taking(folder):
        assert f"a card whose {field} is" in refused(*words)
    assert sorted(path.name for path in home.iterdir()) == ["p"]
