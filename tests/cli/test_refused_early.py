"""A file that is refused is refused before kernels and learners are imported: a slip costs no seconds."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.store import SqlJournal

LATER = ("numba", "scipy", "sklearn", "torch", "arch", "matplotlib")
ASK = """
import sys
from tercel.cli import main
sys.argv = ["tercel", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded:", *(name for name in {later!r} if name in sys.modules))
"""
FILES = {
    "fills.csv": "time,symbol,side,quantity,price,fee\n2024-04-03T14:30:00Z,CSCO,buy,100,50.10,one\n",
    "ticks.csv": "time,symbol,price,size\n2024-04-03 14:30:00,SIM,abc,1\n",
    "map.toml": """[instrument]
venue = "V"
timezone = "America/New_York"
tick = 0.01
lot = 1
[[file]]
name = 'ticks\\.csv'
symbol = "symbol"
[file.time]
column = "time"
unit = "text"
format = "%Y-%m-%d %H:%M:%S"
[file.trade]
price = "price"
size = "size"
""",
    "prices.csv": "Date,Symbol,Close\n2024-01-02,A,abc\n",
    "signals.toml": '[panel]\nkind = "daily"\npath = "prices.csv"\n',
    "orders.csv": "time,symbol,side,quantity,horizon\n2024-04-03 14:30,SIM,buy,abc,600\n",
}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("tca fills.csv --lake .", "'one' in row 2"),
        ("data import csv ticks.csv --map map.toml --lake lake", "'abc' in column price, row 2"),
        ("signals build signals.toml --out panel", "'abc' in row 2"),
        ("risk forecast prices.csv", "'abc' in row 2"),
        ("agent evaluate default --tape . --orders orders.csv", "'abc' in row 2"),
    ],
)
def test_a_file_is_read_before_what_takes_seconds_to_import(
    tmp_path: Path, command: str, said: str
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    ask = [sys.executable, "-c", ASK.format(later=LATER), *command.split()]
    done = subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, said in " ".join(done.stderr.split())) == (2, True), done.stderr
    assert done.stdout.split() == ["loaded:"]


def test_small_commands_to_a_desk_load_no_kernels(tmp_path: Path) -> None:
    with closing(SqlJournal(tmp_path, "test")) as journal:
        journal.append([Entry(kinds.AGENT_ASSIGNMENT, 0, agent="peg", body={})])
    for command in (
        "rearm --reason x",
        "trade orders",
        "trade positions",
        "trade pause peg --wait 0",
        "trade submit AAA buy 1 --wait 0",
        "trade limits tighten desk.order_lots=1 --reason x --wait 0",
    ):
        code = ASK.format(later=("numba", "scipy", "torch", "matplotlib"))
        done = subprocess.run(
            [sys.executable, "-c", code, *command.split(), "--desk", tmp_path],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "loaded:", command
