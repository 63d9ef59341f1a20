"""The model that `docs/simulator.md` gives to copy: what it imports is there."""

import ast
import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "simulator.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
NAMES = sorted(
    {
        (node.module, alias.name)
        for block in BLOCKS
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and node.module and "coin" not in node.module
        for alias in node.names
    }
)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_what_the_recipe_imports_is_there(module: str, name: str) -> None:
    found = importlib.import_module(module)
    assert hasattr(found, name) or importlib.import_module(f"{module}.{name}")
