"""The package that `studies/flows/README.md` gives to copy: what it imports is there, and its flow moves a market."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "studies" / "flows" / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FILES = dict(re.findall(r"^`(coins/\w+\.py)` .*?```python\n(.*?)```", PAGE, re.DOTALL | re.M))
NAMES = sorted(
    {
        (node.module, alias.name)
        for block in BLOCKS
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and node.module and "coin" not in node.module
        for alias in node.names
    }
)
USE = """
import json
from pathlib import Path
import tercel as tc
from coins.model import COIN
from tercel.market.simulator.event_loop import COMPILED_APART

COIN.save(Path("coin.json"))
task = tc.Task(horizon="1min", decisions=2, warmup_s=0)
result = tc.evaluate(["twap_take", "pov"], tc.load_market("coin.json"), task, episodes=2)
shipped = sum(len(one.overloads) for one in COMPILED_APART.values())
print(json.dumps({"episodes": result.figures.episodes, "shipped": shipped}))
"""
"""A market of the flow is judged in, and no kernel of the flows that ship is compiled for it."""


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_what_the_recipe_imports_is_there(module: str, name: str) -> None:
    found = importlib.import_module(module)
    assert hasattr(found, name) or importlib.import_module(f"{module}.{name}")


@pytest.mark.long
def test_a_package_beside_gives_a_flow_that_markets_use(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (about := site / "coins-1.dist-info").mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: coins\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[tercel.flows]\ncoin = coins.model:MODEL\n")
    (site / "coins").mkdir()
    (site / "coins" / "__init__.py").touch()
    assert sorted(FILES) == ["coins/kernel.py", "coins/model.py"]
    for name, text in FILES.items():
        (site / name).write_text(text)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)])}

    def told(*words: str) -> dict[str, int]:
        run = [sys.executable, *words]
        done = subprocess.run(
            run, cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        )
        found: dict[str, int] = json.loads(done.stdout)
        return found

    assert told("-c", USE) == {"episodes": 2, "shipped": 0}
    words = ("coin.json", "--out", "lake", "--seconds", "120", "--json")
    made = told("-m", "tercel", "market", "simulate", *words)
    assert made["model"] == "coin"
