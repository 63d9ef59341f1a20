"""Feeds of other packages: found by entry point, imported when they are asked for; errors say whose they are."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.test_house import ROOT
from typer.testing import CliRunner

from tercel.cli import app
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.feeds import feed_named, feeds_of_others

FEED = """
from tercel.feeds.lobster import LobsterFeed

class AcmeFeed(LobsterFeed):
    name = "acme"
"""
LOADED = """
import sys
sys.argv[0] = "tercel"
from tercel.cli import main
try:
    main()
finally:
    sys.stderr.write(f"loaded {sorted({'acme.feed', 'numpy'} & set(sys.modules))}")
"""


def tercel(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`tercel data import` in a process that finds the packages of a folder."""
    path = os.pathsep.join(map(str, (folder, ROOT / "src", ROOT)))
    around = os.environ | {"PYTHONPATH": path, "COLUMNS": "200"}
    words = (sys.executable, "-c", LOADED, "data", "import", *words)
    return subprocess.run(words, env=around, capture_output=True, text=True, check=False)


TOY = str(ROOT / "guards" / "inputs" / "TOY_2012-06-21_34200000_57600000_{}_1.csv")
DAY = [TOY.format("message"), TOY.format("orderbook")]


def package(folder: Path, name: str, feed: str = FEED, called: str = "acme") -> Path:
    """A package of somebody's with one feed, as an installer leaves it."""
    files = {
        f"{name}/__init__.py": "",
        f"{name}/feed.py": feed,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/entry_points.txt": f"[tercel.feeds]\n{called} = {name}.feed:AcmeFeed\n",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_a_strangers_feed_is_a_command_and_a_name_and_imported_when_it_is_called(
    tmp_path: Path,
) -> None:
    package(tmp_path, "acme")

    helped = tercel(tmp_path, "--help")
    assert "Import with a feed of another package: acme (acme.feed:AcmeFeed)." in helped.stdout
    assert helped.stderr.endswith("loaded []")
    lakes = {name: str(tmp_path / name) for name in ("acme", "lobster")}
    theirs = json.loads(tercel(tmp_path, "acme", *DAY, "--lake", lakes["acme"], "--json").stdout)
    ours = CliRunner().invoke(
        app, ["data", "import", "lobster", *DAY, "--lake", lakes["lobster"], "--json"]
    )
    assert theirs["days"][0]["rows"] > 0
    assert theirs["days"] == json.loads(ours.stdout)["days"]


BROKEN = """
from contextlib import contextmanager
from types import SimpleNamespace

class AcmeFeed:
    name = "acme"

    @contextmanager
    def days(self, paths, options):
        if options.symbol:
            raise TypeError("no such symbol")
        yield [SimpleNamespace(symbol="XYZ", date="2026-01-05", source=("xyz.csv",), read=lambda: int("twelve"))]
"""


def test_what_a_strangers_feed_lets_through_is_told_with_file_and_package(tmp_path: Path) -> None:
    package(tmp_path, "acme", BROKEN)
    for words, told in (
        ((), "invalid literal"),
        (("--symbol", "ABC"), "TypeError: no such symbol, in "),
    ):
        ended = tercel(
            tmp_path, "acme", str(tmp_path), "--lake", str(tmp_path / "lake"), "--json", *words
        )
        assert (ended.returncode, "Traceback" in ended.stderr) == (2, False), ended.stderr
        error = json.loads(ended.stdout)["error"]
        assert error["kind"] == "FeedError"
        assert told in error["received"]
        assert "acme (acme.feed:AcmeFeed)" in error["received"]
        assert ("xyz.csv" if not words else str(tmp_path)) in error["received"]
    helped = " ".join(tercel(tmp_path, "acme", "--help").stdout.split())
    assert "as the files say" in helped
    assert "One symbol" not in helped


def test_a_feed_is_found_by_its_name_and_keeps_out_of_the_names_that_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(package(tmp_path, "acme_one", called="one"))
    package(tmp_path, "acme_two", called="lobster")
    assert feeds_of_others() == {"one": ["acme_one (acme_one.feed:AcmeFeed)"]}
    assert feed_named("one").name == "acme"
    assert feed_named("lobster").name == "lobster"
    with pytest.raises(UnknownNameError, match=r"lobster, .*, one"):
        feed_named("two")


def test_two_feeds_of_one_name_are_refused_with_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(package(package(tmp_path, "acme_a"), "acme_b"))
    with pytest.raises(ConfigError, match=r"acme_[ab] \(acme_.*\) and acme_[ab] \("):
        feed_named("acme")


@pytest.mark.parametrize(
    ("feed", "told"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("class AcmeFeed:\n    def __init__(self, key): ...", "TypeError"),
        ("class AcmeFeed: ...", "a name and days"),
    ],
)
def test_a_feed_that_does_not_work_says_whose_it_is(
    feed: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"acme_{len(feed)}"
    monkeypatch.syspath_prepend(package(tmp_path, name, feed))
    with pytest.raises(ConfigError, match=told) as error:
        feed_named("acme")
    assert f"{name} (" in str(error.value)


def test_the_recipe_of_the_wing_is_the_one_that_is_run() -> None:
    readme = (ROOT / "src" / "tercel" / "feeds" / "README.md").read_text()
    page = (ROOT / "docs" / "howto" / "extend.md").read_text()
    (project,) = re.findall(r'pyproject.toml"\n(.*?)```', page, re.DOTALL)
    assert "".join(f"    {line}\n" for line in project.splitlines()) in readme
