"""The code of docs/reference/library.md and of both front pages runs, with small numbers."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.api.conftest import MARKET

import tercel as tc

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "library.md"
SMALL = {'"csco"': f'"{MARKET}"', "500_000": "512", "1_000": "16"}
"""What the page says -> what the test runs."""
FRONT = {
    "README.md": {"500_000": "512", "episodes=200": "episodes=4"},
    "docs/index.md": {"names, market, task": "names, market, task, episodes=4"},
}


def blocks(page: Path = PAGE) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.release
@pytest.mark.parametrize("page", FRONT)
def test_the_code_of_a_front_page_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(ROOT / page)
    for said, small in {'"goog"': f'"{MARKET}"', **FRONT[page]}.items():
        assert said in code
        code = code.replace(said, small)
    exec(compile(code, page, "exec"), {})


@pytest.mark.release
def test_the_notebook_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = blocks()[0]
    for said, small in SMALL.items():
        assert said in code
        code = code.replace(said, small)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    assert set(names["result"].ranked) == {"ppo", "default", "half_now", "twap_take"}
    assert (tmp_path / "mine" / "card.json").is_file()


@pytest.mark.release
def test_own_work_of_the_page_runs(
    market: tc.Market, task: tc.Task, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"tc": tc, "market": market, "task": task}
    small = {
        "500_000": "512",
        '"twap_take"], market, task': '"twap_take"], market, task, episodes=4',
    }
    env = {'"csco"': f'"{MARKET}"', '"lake"': repr(str(lake)), '"AMZN"': '"SIM"'}
    for mark, changes in (("def paid", small), ("gymnasium.make(", env)):
        code = next(block for block in blocks() if mark in block)
        for said, other in changes.items():
            assert said in code
            code = code.replace(said, other)
        exec(compile(code, str(PAGE), "exec"), names)
    assert names["own"].card.observation.endswith(":features")
    assert len(names["obs"]) == 50


@pytest.mark.release
def test_the_desk_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sqlalchemy", reason="a desk's journal needs the extra [trade]")
    monkeypatch.chdir(tmp_path)
    code = next(block for block in blocks() if "tc.Desk(" in block)
    small = code.replace('"desk.round_s": 120', '"desk.round_s": 120, "desk.warmup_s": 60')
    assert small != code
    names: dict[str, Any] = {"tc": tc}
    exec(compile(small, str(PAGE), "exec"), names)
    assert names["desk"].parent(names["order"].id).lots == 150
    assert (tmp_path / "desk.html").is_file()


@pytest.mark.release
def test_the_folder_of_ones_own_model_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers as arrays: 50 entries of the observation, 8 actions of `placement`."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    layers = [(rng.normal(size=(50, 16)), np.zeros(16)), (rng.normal(size=(16, 8)), np.zeros(8))]
    mine = tc.save_policy(layers, "mine/", name="mine")
    tc.evaluate([mine, "twap_take"], tc.load_market(MARKET), episodes=4)
    assert (tmp_path / "mine" / "policy.onnx").is_file()


def test_the_page_names_every_public_name() -> None:
    text = PAGE.read_text()
    missing = [
        name
        for name in tc.__all__
        if not name.startswith("_") and not re.search(rf"`{name}\b", text)
    ]
    assert missing == []
