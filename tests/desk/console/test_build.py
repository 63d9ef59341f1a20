"""The page that is checked in is what its sources make, to the byte; and small enough to be read in a sitting.

Its types are those of the API: made anew from the description of the console's HTTP, they are the same.
"""

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from tercel.core.report.palette import COLOURS

ROOT = Path(__file__).resolve().parents[3]
WEB, PAGES = ROOT / "web", ROOT / "src" / "tercel" / "core" / "pages"
MOST_LINES, MOST_BYTES = {".ts": 4400, ".css": 250}, 600_000


def own_sources() -> list[Path]:
    """TypeScript and CSS, without what is made from the API."""
    found = [path for kind in ("*.ts", "*.tsx", "*.css") for path in (WEB / "src").rglob(kind)]
    return [path for path in found if path.name != "schema.ts"]


def node_tool(name: str) -> str:
    """A tool of the page's build, where it is installed."""
    tool = WEB / "node_modules" / ".bin" / name
    if shutil.which("node") is None or not tool.exists():
        pytest.skip(f"no {name}: make console")
    return str(tool)


def test_the_types_are_those_of_the_api(tmp_path: Path) -> None:
    told = tmp_path / "openapi.json"
    told.write_text(runpy.run_path(str(WEB / "openapi.py"))["schema"](), encoding="utf-8")
    script = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["scripts"][
        "types"
    ].split()
    there = {"openapi.json": str(told), "src/schema.ts": str(tmp_path / "schema.ts")}
    make = [node_tool(script[0]), *(there.get(word, word) for word in script[1:])]
    subprocess.run(make, check=True, capture_output=True, cwd=WEB)
    assert (tmp_path / "schema.ts").read_bytes() == (WEB / "src" / "schema.ts").read_bytes(), (
        "make console"
    )


def test_own_sources_stay_few() -> None:
    own = own_sources()
    assert len(own) > 10
    for kind, most in MOST_LINES.items():
        sources = [path for path in own if path.suffix in (kind, f"{kind}x")]
        assert (
            0 < sum(len(path.read_text(encoding="utf-8").splitlines()) for path in sources) <= most
        )
    assert max(len(path.read_text(encoding="utf-8").splitlines()) for path in own) <= 400


def test_the_built_page_is_small_and_names_its_licenses() -> None:
    built = {path.name: path.read_bytes() for path in PAGES.iterdir()}
    assert set(built) == {"index.html", "app.js", "app.css", "licenses.txt"}
    assert sum(len(text) for text in built.values()) < MOST_BYTES
    assert b"preact" in built["licenses.txt"]
    assert b"uplot" in built["licenses.txt"].lower()
    assert b"tailwindcss" in built["licenses.txt"]
    assert b"<script>" not in built["index.html"]


def test_the_page_has_the_colours_of_the_reports() -> None:
    css = (WEB / "src" / "style" / "theme.css").read_text(encoding="utf-8")
    for colour in COLOURS:
        assert (
            css.count(f"--color-{colour.name}: light-dark({colour.light}, {colour.dark});") == 1
        ), colour


@pytest.mark.long
def test_a_rebuild_gives_the_same_bytes(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm")
    there = tmp_path / "web"
    shutil.copytree(WEB, there, ignore=shutil.ignore_patterns("node_modules"))
    playbooks = Path("docs", "howto", "incidents.md")
    (tmp_path / playbooks).parent.mkdir(parents=True)
    shutil.copy(ROOT / playbooks, tmp_path / playbooks)
    install = [
        npm,
        "ci",
        "--silent",
        "--no-fund",
        "--no-audit",
        "--ignore-scripts",
        "--prefix",
        str(there),
    ]
    if subprocess.run(install, check=False, capture_output=True).returncode:
        pytest.skip("npm ci has no registry to ask")
    subprocess.run(
        [npm, "run", "--silent", "--prefix", str(there), "build"], check=True, capture_output=True
    )
    again = tmp_path / "src" / "tercel" / "core" / "pages"
    for path in PAGES.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name
