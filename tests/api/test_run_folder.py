"""A run folder of `tc.train(out=)` is gone on with by the very same training alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import tercel as tc
from tercel.cli import app
from tercel.core.fingerprint import fingerprint
from tercel.market.flow import registry as presets

MARKET = presets.FOLDER / "csco-santa-fe.json"
SMALL = {
    "learner.markets": 16,
    "learner.steps": 8,
    "learner.minibatch": 64,
    "market.worlds": 2,
    "validation.episodes": 8,
}
MODULE = """
import numpy as np

WEIGHT = {weight}

def left(view):
    return view.left / view.qty0

def eyes(view):
    return np.column_stack([left(view), view.spread])

def paid(step):
    {doc}
    return -WEIGHT * step.cost_bps{more}
"""


def module(folder: Path, weight: float = 1.0, more: str = "", doc: str = "") -> str:
    """A module of the user's; its name."""
    (folder / "mine.py").write_text(MODULE.format(weight=weight, more=more, doc=doc))
    return f"{folder / 'mine.py'}"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a market, a module, and a training in them that is over."""
    folder = tmp_path_factory.mktemp("begun")
    shutil.copyfile(MARKET, folder / "mine.json")
    module(folder)
    return folder


@pytest.fixture
def trained(begun: Path, tmp_path: Path) -> Callable[..., tc.Policy]:
    """The training, which may be asked for with something else."""

    def train(**other: Any) -> tc.Policy:
        task = {"horizon": "4min", "decisions": 4, **other.pop("task", {})}
        told = {
            "reward": f"{begun}/mine.py:paid",
            "observation": f"{begun}/mine.py:eyes",
            "seed": 1,
            **other,
        }
        market = tc.load_market(str(begun / "mine.json"))
        return tc.train(
            market, tc.Task(**task), frames=128, settings=SMALL, out=begun / "run", **told
        )

    return train


def refused(ask: Callable[[], object]) -> str:
    with pytest.raises(tc.TercelError) as error:
        ask()
    said = str(error.value)
    assert "another" in said
    return said


def test_another_training_is_refused_in_its_folder(
    begun: Path, trained: Callable[..., tc.Policy]
) -> None:
    first = trained()
    weights = first.card.weights_sha256
    assert trained().card.weights_sha256 == weights
    module(begun, doc='"""What is paid."""  # a comment')
    assert trained().card.weights_sha256 == weights
    module(begun, more=" - step.forced")
    said = refused(trained)
    assert "mine.py:paid" in said
    assert f"`resume={begun / 'run'}` `trust=True`" in said
    module(begun, weight=2.0)
    assert "mine.py:paid" in refused(trained)
    module(begun)
    assert "task.warmup_s" in refused(lambda: trained(task={"warmup_s": 60}))
    assert "horizon_s" in refused(lambda: trained(task={"horizon": "8min"}))
    assert "seed" in refused(lambda: trained(seed=2))
    market = json.loads((begun / "mine.json").read_text())
    scored = {**market, "card": {**market["card"], "scores": {"seconds": 1}}}
    (begun / "mine.json").write_text(json.dumps(scored))
    assert trained().card.weights_sha256 == weights
    (begun / "mine.json").write_text(
        json.dumps({**market, "market_rate": 2 * market["market_rate"]})
    )
    assert "mine.json" in refused(trained)
    shutil.copyfile(MARKET, begun / "mine.json")
    assert trained().card.weights_sha256 == weights


@pytest.mark.usefixtures("quick_pictures")
def test_a_run_that_is_gone_on_with_is_the_one_that_was_begun(
    begun: Path, trained: Callable[..., tc.Policy], tmp_path: Path
) -> None:
    trained()

    def typed(*words: str) -> str:
        done = CliRunner().invoke(
            app, ["agent", "train", "--resume", str(tmp_path / "run"), *words]
        )
        return " ".join(done.stderr.split()) if done.exit_code == 2 else str(done.exit_code)

    shutil.copytree(begun / "run", tmp_path / "run")
    assert typed("--trust") == "0"
    done = CliRunner().invoke(app, ["agent", "train", "--resume", str(tmp_path / "run"), "--trust"])
    assert "it was finished; nothing was trained" in " ".join(done.output.split())
    assert typed("--trust", "--seed", "1") == "0"
    assert "which is 1" in typed("--trust", "--seed", "2")
    module(begun, weight=3.0)
    assert "mine.py:paid" in typed("--trust")
    module(begun)
    told = json.loads((tmp_path / "run" / "config.json").read_text())
    assert told.pop("made_of")["functions"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(told))  # a run of before
    assert typed("--trust") == "0"


C1, ONE = {"C": 1}, "def f(x): return x + C"
KEPT = (
    "class K:\n def __init__(self, c): self.c = c\n def __call__(self, x): return self.c\nf = K({})"
)
GIVEN = "import functools\ndef g(x, c): return c\nf = functools.partial(g, c={})"
HELD = "def h(c):\n return lambda x: c\nf = h({})"
EYE, ONES = {"W": np.eye(2)}, {"W": np.ones((2, 2))}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ((ONE, C1), ("def f(x):\n    # a comment\n    return x + C", C1), True),
        ((ONE, C1), (ONE, {"C": 2}), False),
        ((ONE, C1), ("def f(x): return x - C", C1), False),
        (("f = lambda x: x + 1", {}), ("f = lambda x: x + 2", {}), False),
        (("def g(x): return x\ndef f(x): return g(x)", {}), ("def g(x): return -x\ndef f(x): return g(x)", {}), False),
        (("def f(x, a=1): return a", {}), ("def f(x, a=2): return a", {}), False),
        *(((text.format(1), {}), (text.format(2), {}), False) for text in (HELD, KEPT, GIVEN)),
        (("def f(x): return x @ W", EYE), ("def f(x): return x @ W", {"W": np.eye(2)}), True),
        (("def f(x): return x @ W", EYE), ("def f(x): return x @ W", ONES), False),
        (("def f(x): return f(x - 1) if x else 0", {}), ("def f(x): return f(x - 1) if x else 0", {}), True),
    ],
)  # fmt: skip
def test_a_fingerprint_follows_what_a_function_does(one: Any, other: Any, alike: bool) -> None:
    def made(code: str, known: dict[str, Any]) -> str:
        names: dict[str, Any] = {"np": np, "__name__": "made", **known}
        exec(code, names)
        return fingerprint(names["f"])

    assert (made(*one) == made(*other)) == alike
