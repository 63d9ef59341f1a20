"""The engine copied out: `fix/protocol` and two files of `core` make a wheel, and two sessions trade messages."""

import shutil
import subprocess
import sys
from pathlib import Path

import tercel

SOURCES = Path(tercel.__file__).parent
PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "protocol-alone"
version = "0"
requires-python = ">=3.11"
[tool.setuptools.packages.find]
where = ["src"]
[tool.setuptools.package-data]
tercel = ["**/*.toml"]
"""
TALK = """
import sys
from pathlib import Path
from tercel.fix.protocol.session import FixSession
from tercel.fix.protocol.settings import SessionSettings

now = 1_700_000_000_000_000_000
us = FixSession(SessionSettings("US", "THEM", initiates=True))
them = FixSession(SessionSettings("THEM", "US"))
them.connect(now)
out, heard = us.connect(now).data, []
order = [(11, "A"), (55, "XYZ"), (54, "1"), (60, "20231114-22:13:20"), (38, "1"), (40, "1")]
filled = [(37, "O"), (17, "E"), (150, "F"), (39, "2"), (55, "XYZ"), (54, "1"), (151, "0"), (14, "1"), (6, "9.5")]
def talk(out):
    sides = [them, us]
    while out:
        came = sides[0].receive(out, now)
        heard.extend(message.kind for message in came.messages)
        out = came.data
        sides.reverse()
talk(out)
assert us.up and them.up
talk(us.send("D", order, now).data)
sent = them.send("8", filled, now).data
heard.extend(message.kind for message in us.receive(sent, now).messages)
assert heard == ["D", "8"], heard
ours = [one for one in sys.modules.values() if one.__name__.split(".")[0] == "tercel"]
assert all(Path(one.__file__ or one.__path__[0]).is_relative_to(sys.argv[1]) for one in ours)
assert not {"numpy", "numba", "pydantic"} & set(sys.modules)
"""


def test_two_sessions_of_the_wheel_trade_messages(tmp_path: Path) -> None:
    source = tmp_path / "project" / "src" / "tercel"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCES / "fix" / "protocol", source / "fix" / "protocol", ignore=ignored)
    (source / "core").mkdir()
    for name in ("errors.py", "bounded_parsing.py"):
        shutil.copy(SOURCES / "core" / name, source / "core")
    for room in (source, source / "core", source / "fix"):
        (room / "__init__.py").touch()
    (tmp_path / "project" / "pyproject.toml").write_text(PROJECT)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [
        *pip,
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(tmp_path / "project"),
    ]
    subprocess.run(build, check=True)
    [wheel] = tmp_path.glob("*.whl")
    there = tmp_path / "there"
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--target", str(there), str(wheel)], check=True
    )
    # isolated: neither this clone nor what is installed beside it is on the path
    code = f"import sys; sys.path.insert(0, {str(there)!r})\n{TALK}"
    alone = [sys.executable, "-I", "-S", "-c", code, str(there)]
    done = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
