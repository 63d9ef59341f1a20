"""Policy folders of one's own models, and models in `evaluate` as they are; archives run on a person's word alone."""

import hashlib
import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

import tercel as tc
from certify.kits.strategy import random_views
from tercel.api.desk.config import read_config, write_desk_file
from tercel.cli import app
from tercel.execution.observation import observer
from tercel.execution.policies.folder import load_policy
from tercel.execution.policies.strategy import policy_strategy
from tercel.lab.evaluation.pipeline.candidates import policies_of
from tercel.lab.learning.agent.run_folder import read_run
from tercel.lab.learning.checkpoint import load_checkpoint

RNG = np.random.default_rng(5)
W1, B1, W2, B2 = (
    RNG.normal(size=(50, 6)),
    RNG.normal(size=6),
    RNG.normal(size=(6, 8)),
    RNG.normal(size=8),
)
LAYERS = [(W1, B1), (W2, B2)]


def by_numpy(obs: Any) -> Any:
    return np.argmax(np.tanh(obs @ W1 + B1) @ W2 + B2, axis=1)


def eyes(view: tc.View) -> Any:
    return np.column_stack([view.left / view.qty0, view.time_left_ns / view.horizon_ns])


def inputs() -> Any:
    """Observations of ordinary size."""
    return np.random.default_rng(0).normal(size=(60, 50)).astype(np.float32)


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, ["agent", *words])


def test_layers_are_judged_as_the_function_that_they_are(
    market: tc.Market, task: tc.Task, tmp_path: Path
) -> None:
    saved = tc.save_policy(LAYERS, tmp_path / "mine")
    assert saved.card.name == "mine"
    function = tc.model_strategy(by_numpy, "function")
    result = tc.evaluate([saved, function, "twap_take"], market, task, episodes=4)
    np.testing.assert_allclose(result.shortfall_bps["mine"], result.shortfall_bps["function"])
    assert tc.load_policy(tmp_path / "mine").card == saved.card


def test_a_folder_is_called_as_its_card_says(
    market: tc.Market, task: tc.Task, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for number, folder in enumerate(folders):
        tc.save_policy([(np.zeros((50, 8)), np.eye(8)[number])], folder, "mine")
    first, second = (tc.load_policy(folder) for folder in folders)
    assert (first.name, second.name, tc.load_policy("default").name) == ("mine", "mine", "default")
    assert "mine" in str(
        tc.evaluate([first, "twap_take"], market, task, episodes=2).compare("mine", "twap_take")
    )
    both = tc.evaluate([first, second, "twap_take"], market, task, episodes=2)
    assert set(both.shortfall_bps) == {f"mine ({folders[0]})", f"mine ({folders[1]})", "twap_take"}
    with pytest.raises(tc.TercelError, match="twice"):
        tc.evaluate([first, first, "twap_take"], market, task, episodes=2)


def test_a_policy_that_is_its_start_says_so(
    market: tc.Market, task: tc.Task, tmp_path: Path
) -> None:
    saved = tc.save_policy([(np.zeros((50, 8)), np.eye(8)[2])], tmp_path / "mine", "mine")
    assert "nothing was learned" not in repr(saved)
    card = replace(saved.card, scores={"validation": {"is_bps": 9.0}})
    (tmp_path / "mine" / "card.json").write_text(card.to_json())
    assert "nothing was learned" in repr(saved)
    result = tc.evaluate([saved, "twap_take"], market, task, episodes=2)
    assert "Nothing was learned: mine is what its training began with." in result.notes
    (tmp_path / "mine" / "card.json").unlink()
    assert "mine" in repr(saved)


def test_an_own_observation_belongs_to_the_folder(tmp_path: Path) -> None:
    layers = [(np.array([[1.0, 0, 0, 0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0, 0, 0, 0]]), np.zeros(8))]
    saved = tc.save_policy(layers, tmp_path / "mine", observation=eyes)
    view = random_views(60, 4)
    rows = observer(eyes).encode(view)
    strategy = policy_strategy(saved.folder, own_observation=saved.observation)
    np.testing.assert_array_equal(
        strategy.policy.act(rows), np.where(rows[:, 0] >= rows[:, 1], 0, 1)
    )
    with pytest.raises(tc.TercelError, match="nothing that a folder names is run"):
        tc.load_policy(saved.folder)


def test_a_function_of_a_renamed_file_is_taken_if_it_is_the_only_one(tmp_path: Path) -> None:
    saved = tc.save_policy([(np.zeros((2, 8)), np.zeros(8))], tmp_path / "mine", observation=eyes)
    name = f"{Path(__file__).stem}:eyes"
    for given, wanted in (
        (["other.py:sight"], "other.py:sight"),
        (["other.py:sight", f"moved.{name}"], f"moved.{name}"),
        (["other.py:sight", "third:sight"], None),
        ([], None),
    ):
        assert policies_of([str(saved.folder)], given)[0].observation == wanted


def test_vectors_and_shares(tmp_path: Path) -> None:
    layers = [(np.zeros((50, 7)), np.log(np.array([1.0, 0, 2, 0, 0, 0, 1]) + 1e-9))]
    tc.save_policy(layers, tmp_path / "mine", actions="allocation")
    [take, *_] = policy_strategy(tmp_path / "mine").decide(random_views(60, 4))[:1]
    assert take.shape == (10,)
    np.testing.assert_allclose(
        load_policy(tmp_path / "mine")[0].act(inputs())[0],
        [0.25, 0, 0.5, 0, 0, 0, 0.25],
        atol=1e-6,
    )


def handmade(columns: int = 50) -> bytes:
    """An ONNX graph of one product, whose rows are open."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["y"])],
        "mine",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", columns])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
        [numpy_helper.from_array((W1 @ W2)[:columns].astype(np.float32), "W")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def test_an_onnx_file_by_hand(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "mine.onnx").write_bytes(handmade())
    assert typed("convert", str(tmp_path / "mine.onnx"), str(tmp_path / "mine")).exit_code == 0
    obs = inputs()
    np.testing.assert_array_equal(
        load_policy(tmp_path / "mine")[0].act(obs), np.argmax(obs @ (W1 @ W2), axis=1)
    )
    saved = tc.save_policy(handmade(), tmp_path / "again", "mine")
    assert saved.card.weights_sha256 == tc.load_policy(tmp_path / "mine").card.weights_sha256
    with pytest.raises(tc.TercelError, match="observes the 50 entries"):
        tc.save_policy(handmade(49), tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (3, "an ONNX file, layers"),
        (by_numpy, "model_strategy"),
        ([W1, W2], "pairs"),
        ([(W1, B1)], "8 actions of 'placement'"),
        ([(W2, B2)], "of shape"),
        ("nowhere.onnx", "an ONNX file"),
        (b"none", "an ONNX model"),
    ],
)
def test_what_is_no_model_is_told(model: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(tc.TercelError, match=told):
        tc.save_policy(model, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_other_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(tc.TercelError, match=r"thesis\.tex"):
        tc.save_policy(LAYERS, tmp_path)
    tc.save_policy(LAYERS, tmp_path / "mine", "first")
    assert tc.save_policy(LAYERS, tmp_path / "mine", "second").card.name == "second"


def test_a_torch_module(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    for given, said in (((49, 8), "received 49 inputs"), ((50, 7), "received 7 outputs")):
        with pytest.raises(tc.TercelError, match=f"50 inputs and 8 outputs; {said}"):
            tc.save_policy(torch.nn.Linear(*given), tmp_path / "mine")
    module = torch.nn.Sequential(torch.nn.Linear(50, 5), torch.nn.GELU(), torch.nn.Linear(5, 8))
    tc.save_policy(module, tmp_path / "mine")
    obs = inputs()
    with torch.no_grad():
        wanted = module(torch.tensor(obs)).numpy()
    np.testing.assert_allclose(load_policy(tmp_path / "mine")[0].logits(obs), wanted, atol=1e-5)


@pytest.mark.long  # Stable-Baselines3, and processes that judge it
def test_an_archive_is_read_on_a_persons_word_alone(
    market: tc.Market, task: tc.Task, tmp_path: Path
) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    env = tc.sb3_env(market, task, 4, worlds=2)
    model = sb3.PPO("MlpPolicy", env, n_steps=16, batch_size=32, n_epochs=1, seed=1, device="cpu")
    archive = tmp_path / "model.zip"
    model.save(archive)
    judged = (
        "evaluate",
        str(archive),
        "--market",
        market.preset,
        "--against",
        "twap_take",
        "--episodes",
        "2",
    )
    for words in (
        judged,
        ("show", str(archive)),
        ("convert", str(archive), str(tmp_path / "mine")),
    ):
        done = typed(*words)
        assert done.exit_code == 2
        assert f"tercel agent convert {archive} FOLDER --trust" in " ".join(
            done.stderr.replace("\n", "").split()
        )
    assert typed("convert", str(archive), str(tmp_path / "mine"), "--trust").exit_code == 0
    obs = inputs()
    np.testing.assert_array_equal(
        load_policy(tmp_path / "mine")[0].act(obs), model.predict(obs, deterministic=True)[0]
    )
    assert typed(*judged, "--trust", "--out", str(tmp_path / "out")).exit_code == 0


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def test_nothing_in_a_folder_runs(tmp_path: Path, market: tc.Market, task: tc.Task) -> None:
    """A pickle under every name that is read, in turn and all at once, in every way that a folder is opened."""
    mark, archive = tmp_path / "ran", tmp_path / "model.zip"
    evil = pickle.dumps(Payload(mark))
    with zipfile.ZipFile(archive, "w") as file:
        for name in (
            "data",
            "policy.pth",
            "pytorch_variables.pth",
            "_stable_baselines3_version",
            "card.json",
        ):
            file.writestr(name, evil)
    read = (
        "policy.onnx",
        "card.json",
        "config.json",
        "run.json",
        "checkpoint/checkpoint.json",
        "checkpoint/a.npz",
    )
    for names in [*((name,) for name in read), read]:
        folder = tmp_path / "-".join(name.replace("/", "_") for name in names)[:40]
        tc.save_policy(LAYERS, folder)
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(evil)
        if "checkpoint/a.npz" in names:
            told = {"arrays": "a.npz", "sha256": hashlib.sha256(evil).hexdigest(), "state": {}}
            (folder / "checkpoint" / "checkpoint.json").write_text(json.dumps(told))
        for ask in (
            lambda at=folder: tc.load_policy(at),
            lambda at=folder: read_run(at, trust=True),
            lambda at=folder: load_checkpoint(at / "checkpoint"),
        ):
            try:
                ask()
            except tc.TercelError:
                continue
        typed("show", str(folder))
        typed("list", "--runs", str(tmp_path))
    beside = tmp_path / "run.json"  # judging reads what lies beside a policy
    tc.evaluate([beside, "twap_take"], market, task, episodes=2)
    typed("evaluate", str(archive), "--against", "twap_take", "--episodes", "2")
    typed("convert", str(archive), str(tmp_path / "converted"))
    assert not mark.exists()
    pickle.loads(evil)
    assert mark.exists()


def test_a_file_that_its_owner_changed_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    tc.save_policy([(np.zeros((50, 8)), np.eye(8)[2])], folder / "policy", "mine")
    line = write_desk_file(folder, folder / "policy")
    file, old = folder / "desk.toml", folder / "desk.old"
    text = file.read_text()
    assert line in text.splitlines()[0]
    assert write_desk_file(folder, folder / "policy") == line
    assert not old.exists()
    file.write_text("# mine\n" + text)
    write_desk_file(folder, folder / "policy")
    assert (file.read_text(), old.read_text()) == (text, "# mine\n" + text)
    assert read_config(file).agent[0].name == "mine"
