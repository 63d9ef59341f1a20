"""Notebooks of this folder: run their cells without a server, store what they show, show it in the site.

    python docs/notebook.py docs/notebooks/*.ipynb            # run, compare
    python docs/notebook.py docs/notebooks/*.ipynb --write    # run, store

A cell shows what it prints, and the value of its last expression as a notebook shows it (`_repr_html_`, else `repr`).
"""

import argparse
import ast
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

Notebook = dict[str, Any]
LONGEST: Final = 20_000
"""Characters of a plain representation that are stored: a figure's is its drawing once more."""


def run(notebook: Notebook, folder: Path) -> Notebook:
    """The notebook with the outputs of now; its cells run in `folder`, one after another."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            outputs = [
                one | {"execution_count": count} if "data" in one else one
                for one in shown(cell, names, folder)
            ]
            cells.append(cell | {"execution_count": count, "outputs": outputs})
        else:
            cells.append(cell)
    return notebook | {"cells": cells}


def shown(cell: dict[str, Any], names: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """What a cell shows."""
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    heard, value = io.StringIO(), None
    with contextlib.chdir(folder), contextlib.redirect_stdout(heard):
        exec(compile(tree, "notebook", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "notebook", "eval"), names)
    found: list[dict[str, Any]] = []
    if heard.getvalue():
        found.append({"output_type": "stream", "name": "stdout", "text": lines(heard.getvalue())})
    if value is not None:
        text = repr(value)
        data = {"text/plain": lines(text) if len(text) < LONGEST else [f"<{type(value).__name__}>"]}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = lines(value._repr_html_())
        found.append({"output_type": "execute_result", "data": data, "metadata": {}})
    return found


def lines(text: str) -> list[str]:
    """Text as notebooks hold it."""
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines()).splitlines(keepends=True)


def markdown(notebook: Notebook, name: str) -> str:
    """The notebook as a page, with its stored outputs."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "text/html" in data:
                parts.append('<div class="output">' + flat("".join(data["text/html"])) + "</div>")
            else:
                text = "".join(output.get("text", data.get("text/plain", [])))
                parts.append(f"```text\n{text}\n```")
    source = f"*This page is the notebook `docs/notebooks/{name}` with its stored outputs; a test runs its cells.*"
    return "\n\n".join([parts[0], source, *parts[1:]]) + "\n"


def flat(html: str) -> str:
    """HTML without empty lines: Markdown would begin anew after one."""
    return "\n".join(line for line in html.splitlines() if line.strip())


def words(notebook: Notebook) -> list[list[str]]:
    """Kinds of what each code cell shows: what every machine agrees on."""
    return [
        [one["output_type"], *sorted(one.get("data", {}))]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        for one in cell["outputs"]
    ]


def main() -> None:
    """Run the notebooks that are named."""
    line = argparse.ArgumentParser(description="Run notebooks.")
    line.add_argument("notebooks", nargs="+", type=Path)
    line.add_argument("--write", action="store_true", help="store what they show")
    told, odd = line.parse_args(), []
    os.environ.setdefault("COLUMNS", "92")
    for path in told.notebooks:
        stored = json.loads(path.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder:
            now = run(stored, Path(folder))
        if told.write:
            path.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        elif words(now) != words(stored):
            odd.append(str(path))
    sys.exit(", ".join(odd) if odd else 0)


if __name__ == "__main__":
    main()
