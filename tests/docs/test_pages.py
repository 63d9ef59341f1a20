"""What the site shows is what is printed: tutorials, recipes and notebooks run again, and every page has its place."""

import doctest
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.conftest import REQUIRE_DATA
from tests.docs.test_words import GENERATED, typed

import tercel as tc
from docs import execute, notebook
from tercel.execution.intent import AT_TOUCH, REST0
from tercel.execution.probe_views import view_of
from tercel.execution.user_strategy import wrap_strategy

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
ELSEWHERE = {"index.md", "reference/library.md"}
"""Pages whose code `tests/api/test_page.py` runs with small numbers."""
PAGES = sorted(path for path in DOCS.rglob("*.md") if str(path.relative_to(DOCS)) not in ELSEWHERE)
LONG = {DOCS / "tutorials" / f"{name}.md" for name in ("desk", "quant", "researcher", "signals")}
"""Pages of the tier long; all others are of the tier release."""
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
SERVER = """
import signal
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("at 127.0.0.1", file=sys.stderr)
signal.sigwait([signal.SIGINT])
print("gone", file=sys.stderr)
"""


NOT_RUN = {
    "README.md": "its links lead to the pages that run them",
    "docs/howto/install.md": "installs",
    "docs/reference/commands.md": "printed from the commands",
    "docs/tutorials/index.md": "installs",
    "docs/results/agents.md": "hours",
    "docs/results/certification.md": "half an hour",
    "docs/results/markets.md": "hours",
    "docs/results/not_worked.md": "hours",
    "docs/results/portfolio.md": "half an hour",
    "docs/results/signals.md": "hours",
}
"""Pages with commands of which `execute.py` runs none, and why."""


def run_alone(page: Path) -> bool:
    """Whether a page has anything to run."""
    return any(
        block.language in ("console", "bash", "python") and not block.title
        for block in execute.blocks(page.read_text(encoding="utf-8"))
    )


def test_every_page_with_a_command_is_run_or_says_why_not() -> None:
    shown = {
        str(page.relative_to(ROOT))
        for page in [*PAGES, ROOT / "README.md"]
        if any(typed(page.read_text(encoding="utf-8"))) and not (page in PAGES and run_alone(page))
    }
    assert shown == set(NOT_RUN)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.long if page in LONG else pytest.mark.release)
        for page in PAGES
        if run_alone(page)
    ],
    ids=lambda page: page.stem,
)
def test_a_page_shows_what_its_commands_print(page: Path, request: pytest.FixtureRequest) -> None:
    asked = execute.marks(page.read_text(encoding="utf-8"))
    for module in asked["needs"]:
        if importlib.util.find_spec(module) is None:
            pytest.fail(f"no module {module}") if REQUIRE_DATA else pytest.skip(
                f"no module {module}"
            )
    if asked["peer"]:
        request.getfixturevalue("exchange_clients")
    data = request.getfixturevalue("shared_data") if asked["data"] else None
    found = (
        None if data is None else gathered(data, request.getfixturevalue("tmp_path"), asked["data"])
    )
    assert "\n".join(execute.run(page.relative_to(ROOT), found)) == ""


def gathered(data: Path, folder: Path, names: list[str]) -> Path:
    """A folder in which some files of the real data lie under their names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((data / name).read_bytes())
    return folder


@pytest.mark.release
def test_the_front_page_compares_strategies_on_recorded_ticks(
    shared_data: Path, tmp_path: Path
) -> None:
    page = ROOT / "README.md"
    asked = [one for one in typed(page.read_text(encoding="utf-8")) if "AMZN" in one]
    # an estimate needs more days than the sample has
    shown = [one for one in asked if one.split()[1] != "estimate"]
    assert [one.split()[1:3] for one in shown] == [["data", "import"], ["agent", "evaluate"]]
    gathered(shared_data / "lobster-zips-20120621", tmp_path, [shown[0].split()[4]])
    session = execute.Session(tmp_path, page)
    assert " default " in session.console(execute.prompted("\n".join(shown)))


@pytest.mark.release
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_is_stored(path: Path, tmp_path: Path) -> None:
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert notebook.words(notebook.run(stored, tmp_path)) == notebook.words(stored)
    assert all(
        cell["outputs"] or cell["source"] for cell in stored["cells"] if cell["cell_type"] == "code"
    )


@pytest.mark.parametrize("page", ["howto/strategy.md", "notebooks/own_strategy.ipynb"])
def test_a_strategy_with_memory_lives_on_where_orders_begin_apart(page: str) -> None:
    """One order goes on while another begins: what the example keeps must be its own to write to."""
    text = (DOCS / page).read_text(encoding="utf-8")
    if page.endswith(".ipynb"):
        found = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    else:
        found = [block.text for block in execute.blocks(text) if block.language == "python"]
    names: dict[str, Any] = {"np": np, "tc": tc}
    exec(next(source for source in found if "class Patient" in source), names)
    one = wrap_strategy(names["Patient"])
    for decisions in ([0, 0], [0, 1], [1, 0]):
        assert one.decide(view_of(decision=decisions, left=[100, 100]))[
            :, REST0 + AT_TOUCH
        ].tolist() == [100, 100]


def nav(parts: Any) -> list[str]:
    """Pages of the site's navigation."""
    if isinstance(parts, str):
        return [parts]
    return [
        page
        for part in (parts.values() if isinstance(parts, dict) else parts)
        for page in nav(part)
    ]


@pytest.fixture(scope="module")
def site() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    return found


def test_every_page_has_one_place(site: dict[str, Any]) -> None:
    written = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    placed = nav(site["nav"])
    assert len(placed) == len(set(placed))
    assert set(placed) == written | GENERATED


def test_the_site_asks_for_nothing_from_elsewhere(site: dict[str, Any]) -> None:
    assert site["theme"]["font"] is False
    assert all(not str(one).startswith("http") for one in site["extra_css"])
    assert {"search", "offline"} <= {one for one in site["plugins"] if isinstance(one, str)}
    assert (DOCS / "theme" / "iframe-worker.js").is_file()  # search in a page that is a file
    assert [one["scheme"] for one in site["theme"]["palette"]] == ["default", "slate"]


def test_the_front_page_is_short_and_shows_what_the_first_run_prints() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(page.split()) <= 700
    links = re.findall(r"\]\(([^)#]+)", page)
    assert [one for one in links if not (ROOT / one).exists()] == []
    tasks = re.split(
        r"\n(?=\*\*)", page.partition("## Seven things to do")[2].partition("\n## ")[0]
    )[1:]
    assert [task.count("](") for task in tasks] == [1] * 7
    for task in tasks:
        block = [line for line in task.splitlines() if line.startswith("    ")] or execute.blocks(
            task
        )[0].text.split("\n")
        assert 1 <= len([line for line in block if line.strip()]) <= 6
    run = (DOCS / "tutorials" / "first_run.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`[^|]*\| (\S+ \[[^]]+\]) \|", page, re.M)
    assert len(rows) == 6
    for name, cost in rows:
        assert re.search(rf"^ +{name} .*{re.escape(cost)}", run, re.M), name


def test_a_picture_opens_in_full_where_it_is_pressed() -> None:
    pytest.importorskip("mkdocs", reason="make docs installs it")
    markdown, hooks = pytest.importorskip("markdown"), importlib.import_module("docs.hooks")
    found = dict.fromkeys(("gallery.md", "concepts/console.md", "index.md"), 0)
    for page in found:
        text = hooks.on_page_markdown((DOCS / page).read_text(encoding="utf-8"))
        html = markdown.markdown(text, extensions=["md_in_html", "tables", "attr_list"])
        found[page] = html.count("<img")
        opened = re.findall(r'<a href="([^"]+)"><img alt="[^"]+" src="([^"]+)"', html)
        assert len(opened) == found[page]
        assert all(
            full == shown and ((DOCS / page).parent / full).is_file() for full, shown in opened
        )
    assert min(found.values()) > 0
    assert found["gallery.md"] == 11


def test_the_reference_names_every_public_name() -> None:
    text = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    stub = Path(tc.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    names = re.findall(r"^from \S+ import (\w+) as ", stub, re.MULTILINE)
    assert len(names) == len(tc.__all__)
    for name in names:
        assert re.search(rf"^::: tercel\.([\w.]+\.)?{name}(\.\w+)*$", text, re.MULTILINE), name


def test_the_machinery() -> None:
    for module in (execute, notebook):
        assert doctest.testmod(module).failed == 0
    page = "```console\n$ echo one; \\\n  echo two\nold\n```\n```python\n1 + 1\n```\n\n```text\n3\n```\n"
    assert [block.language for block in execute.blocks(page)] == ["console", "python", "text"]


def test_what_is_printed_is_written_and_held(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ echo one\nold\n```\n\n```python\n1 + 1\n```\n\n```text\n3\n```\n"
    )
    assert len(execute.run(page, None)) == 2
    execute.run(page, None, write=True)
    assert execute.run(page, None) == []
    assert "$ echo one\none\n" in page.read_text()
    assert "```text\n2\n" in page.read_text()
    (tmp_path / "server.py").write_text(SERVER)
    page.write_text(f"```console\n$ python {tmp_path / 'server.py'} &\n$ ^C\n```\n")
    execute.run(page, None, write=True)
    assert "$ ^C\ngone\n" in page.read_text()
    for block in ("```console\n$ exit 3\n```\n", "```bash\nexit 3    # a comment\n```\n"):
        page.write_text(block)
        with pytest.raises(SystemExit, match="ended with 3"):
            execute.run(page, None)


def test_a_bash_block_runs_and_finds_files_that_the_page_shows_later(tmp_path: Path) -> None:
    page, server = tmp_path / "page.md", tmp_path / "server.py"
    server.write_text(SERVER)
    shown = f"```bash\ngrep 1 \\\n  own.toml\npython {server} &   # a server\n```\n"
    page.write_text(f'{shown}\n```toml title="own.toml"\na = 1\n```\n')
    assert execute.run(page, None) == []
    page.write_text(f'{shown}\n```toml title="own.toml"\na = 2\n```\n')
    with pytest.raises(SystemExit, match="ended with 1"):
        execute.run(page, None)
