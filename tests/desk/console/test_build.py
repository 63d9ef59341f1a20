"""The page that is checked in is what its sources make, to the byte; and small enough to be read in a sitting."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
WEB, PAGES = ROOT / "web", ROOT / "src" / "tercel" / "core" / "pages"
MOST_LINES, MOST_BYTES = 4000, 600_000


def test_own_sources_stay_few() -> None:
    own = [path for kind in ("*.ts", "*.tsx", "*.css") for path in (WEB / "src").rglob(kind)]
    assert len(own) > 10
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in own) <= MOST_LINES
    assert max(len(path.read_text(encoding="utf-8").splitlines()) for path in own) <= 400


def test_the_built_page_is_small_and_names_its_licenses() -> None:
    built = {path.name: path.read_bytes() for path in PAGES.iterdir()}
    assert set(built) == {"index.html", "app.js", "app.css", "licenses.txt"}
    assert sum(len(text) for text in built.values()) < MOST_BYTES
    assert b"preact" in built["licenses.txt"]
    assert b"uplot" in built["licenses.txt"].lower()
    assert b"<script>" not in built["index.html"]


@pytest.mark.long
def test_a_rebuild_gives_the_same_bytes(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm")
    there = tmp_path / "web"
    shutil.copytree(WEB, there, ignore=shutil.ignore_patterns("node_modules"))
    install = [npm, "ci", "--silent", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", str(there)]
    if subprocess.run(install, check=False, capture_output=True).returncode:
        pytest.skip("npm ci has no registry to ask")
    subprocess.run([npm, "run", "--silent", "--prefix", str(there), "build"], check=True, capture_output=True)
    again = tmp_path / "src" / "tercel" / "core" / "pages"
    for path in PAGES.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name
