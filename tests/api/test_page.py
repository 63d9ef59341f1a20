"""The code of docs/reference/library.md and of both front pages runs, with small numbers."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import MARKET

import tercel as tc

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/reference/library.md"
CODE = {
    "README.md": ((), {'"goog"': f'"{MARKET}"', "500_000": "512", "episodes=200": "episodes=4"}),
    "docs/index.md": ((), {'"goog"': f'"{MARKET}"', "names, market, task": "names, market, task, episodes=4"}),
    "notebook": (("tc.train(",), {'"ibm"': f'"{MARKET}"', "500_000": "512", "1_000": "16"}),
    "own work": (("def paid", "gymnasium.make("), {
        "500_000": "512", '"twap_take"], market, task': '"twap_take"], market, task, episodes=4',
        '"ibm"': f'"{MARKET}"', '"lake"': "LAKE", '"AMZN"': '"SIM"',
    }),
    "desk": (("tc.open_desk(",), {'"desk.round_s": 120': '"desk.round_s": 120, "desk.warmup_s": 60'}),
}  # fmt: skip
"""A page, or blocks of the library's: a word of each, and what it says -> what the test runs."""
LEAVES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "notebook": lambda names: (
        set(names["result"].ranked) == {"ppo", "default", "half_now", "twap_take"}
        and Path("mine/card.json").is_file()
    ),
    "own work": lambda names: (
        names["own"].name == "own"
        and (names["own"].card.is_start or names["own"].card.observation.endswith(":features"))
        and len(names["obs"]) == 50
    ),
    "desk": lambda names: (
        names["desk"].parent(names["order"].id).lots == 150 and Path("desk.html").is_file()
    ),
}
"""What a block leaves behind."""


def blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.release
@pytest.mark.parametrize("name", CODE)
def test_the_code_of_the_page_runs(
    name: str,
    market: tc.Market,
    task: tc.Task,
    lake: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words, changes = CODE[name]
    found = blocks(ROOT / (PAGE if words else name))
    code = "".join(next(one for one in found if word in one) for word in words or ("",))
    for said, small in changes.items():
        assert said in code
        code = code.replace(said, small)
    names: dict[str, Any] = {"tc": tc, "market": market, "task": task, "LAKE": str(lake)}
    exec(compile(code, name, "exec"), names)
    assert LEAVES.get(name, bool)(names)


def test_the_page_names_every_public_name() -> None:
    text = (ROOT / PAGE).read_text()
    assert [
        name for name in tc.__all__ if name[0] != "_" and not re.search(rf"`{name}\b", text)
    ] == []
