"""The wheel in an empty environment of every Python that it names: the notebook of docs/reference/library.md runs there."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from tests.test_aside import PLUGINS, commands_of
from tests.test_house import ROOT

TOLD = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = TOLD["project"]
PAGE = {"index.html", "app.js", "app.css", "licenses.txt"}
"""The console's page."""
NAMED = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
BUILT_OF = ("pyproject.toml", "README.md", "LICENSE", "src")
SMALL = {'"ibm"': '"csco-santa-fe"', "500_000": "512", "1_000": "16"}
UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "name resolution",
    "ProxyError",
    "Network is unreachable",
)
HERE = """
import os, sys, tercel
assert tercel.__file__.startswith(sys.prefix), tercel.__file__
"""
LOOK = """
assert set(result.ranked) == {"ppo", "default", "half_now", "twap_take"}
assert "80 % power" in repr(result) and "<table" in result._repr_html_()
assert {"card.json", "policy.onnx"} <= set(os.listdir("mine"))
"""


def interpreter(version: str) -> str | None:
    """A Python of that version on this machine."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for place in (
        sys.executable,
        shutil.which(f"python{version}"),
        *pyenv.glob(f"{version}.*/bin/python{version}"),
    ):
        if place is not None:
            asked = [str(place), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            if (
                subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
                == version
            ):
                return str(place)
    return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in BUILT_OF:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, source / name)
    return wheel_of(source, folder)


def wheel_of(source: Path, folder: Path) -> Path:
    """The wheel of a folder, built in another."""
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        source,
    ]
    subprocess.run(build, check=True)
    [found] = folder.glob("*.whl")
    return found


def test_package_data_has_the_whole_page_of_the_console() -> None:
    package = ROOT / "src" / "tercel"
    held = {
        path
        for one in TOLD["tool"]["setuptools"]["package-data"]["tercel"]
        for path in package.glob(one)
    }
    assert {
        path for path in (package / "core" / "pages").iterdir() if path.suffix != ".py"
    } - held == set()
    assert {path.name for path in held if path.parent == package / "core" / "pages"} == PAGE


@pytest.mark.long
def test_the_wheel_holds_the_page_of_the_console(wheel: Path) -> None:
    names = [Path(name) for name in zipfile.ZipFile(wheel).namelist()]
    assert {
        one.name for one in names if one.parent == Path("tercel/core/pages") and one.suffix != ".py"
    } == PAGE
    assert [one for one in names if one.is_relative_to("tercel/desk/console/page")] == []


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(one, marks=pytest.mark.release if at else pytest.mark.long)
        for at, one in enumerate(NAMED)
    ],
)
def test_the_notebook_runs_from_the_wheel(version: str, wheel: Path, tmp_path: Path) -> None:
    """To its end in the oldest and the newest Python that are named; between them, up to the training."""
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    alone = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTHON", "PIP_TARGET"))
    }
    subprocess.run([python, "-m", "venv", tmp_path / "venv"], env=alone, check=True)
    mine = tmp_path / "venv" / "bin"
    done = subprocess.run(
        [mine / "python", "-m", "pip", "install", "-q", wheel],
        env=alone,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and any(word in done.stderr for word in UNREACHABLE):
        pytest.skip(f"no package index can be reached to fill an environment of Python {version}")
    assert done.returncode == 0, done.stderr
    [code, *_] = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "reference" / "library.md").read_text(), re.DOTALL
    )
    for said, small in SMALL.items():
        assert said in code
        code = code.replace(said, small)
    before, training, _ = code.partition("agent = ")
    assert training
    code = code + HERE + LOOK if version in (NAMED[0], NAMED[-1]) else before + HERE
    (tmp_path / "notebook.py").write_text(code)
    kernels = {"TERCEL_CACHE": str(tmp_path / "kernels")}
    words = [mine / "python", "notebook.py"]
    ran = subprocess.run(
        words, cwd=tmp_path, env=alone | kernels, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    subprocess.run([mine / "tercel", "--version"], env=alone, check=True)
    helped = subprocess.run(
        [mine / "tercel", "--help"], env=alone, capture_output=True, text=True, check=True
    ).stdout
    assert "│ certify " not in helped


@pytest.mark.release
@pytest.mark.parametrize("folder", PLUGINS)
def test_a_folder_beside_the_package_is_built_and_its_commands_join(
    folder: str, wheel: Path, tmp_path: Path
) -> None:
    shutil.copytree(
        ROOT / folder,
        tmp_path / "source" / folder,
        ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
    )
    here = tmp_path / "here"
    its = wheel_of(tmp_path / "source" / folder, tmp_path / "built")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        here,
        wheel,
        its,
    ]
    subprocess.run(install, check=True)
    code = f"import {folder}; assert {folder}.__file__.startswith({str(here)!r})\nfrom tercel.cli import main; main()"
    for words in set().union(*commands_of(folder)):
        command, dashes, option = words.partition(" --")
        said = subprocess.run(
            [sys.executable, "-c", code, *command.split(), "--help"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(here), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (said.returncode, said.stderr) == (0, "")
        assert f"{dashes.strip()}{option}" in said.stdout, words
    held = {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*.py")}
    assert {path.relative_to(here / folder) for path in (here / folder).rglob("*.py")} == held
