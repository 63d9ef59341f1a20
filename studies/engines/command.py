"""``python -m studies engines``: the same orders on the same days in the replay and in engines that others wrote."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from studies.engines import parent_tables, taking_tables, touch_tables
from studies.engines.hosts import interpreter
from studies.engines.touch_tables import Setting, Table
from studies.markdown import markdown_table
from tercel.cli import print_json, print_table
from tercel.market.tape import Lake

RESULTS: Final = Path(__file__).with_name("results.md")
HFTBACKTEST: Final = "hftbacktest"
NAUTILUS: Final = "nautilus"


def run(
    lake: Path, symbols: Sequence[str], orders: int, parents: int, fine: Path | None, hosts: Path | None, seed: int,
    write: bool, as_json: bool,
) -> None:  # fmt: skip
    """Print the tables; with `write`, put them into `RESULTS` under what it says above them.

    Raises
    ------
    ConfigError
        No environment of another engine.
    """
    python = interpreter(HFTBACKTEST, hosts)
    other = interpreter(NAUTILUS, hosts)
    said = f"--orders {orders} --parents {parents} --seed {seed}{' --fine DIR' if fine else ''}"
    done: list[Table] = []
    with TemporaryDirectory() as folder:
        coarse, exact = (Path(folder, name) for name in ("coarse", "exact"))
        coarse.mkdir()
        exact.mkdir()
        setting = Setting(Lake(lake), python, coarse, seed)
        unrounded = None if fine is None else Setting(Lake(fine), python, exact, seed)
        names = symbols or touch_tables.symbols_of(setting.lake)
        taking = partial(taking_tables.compare_taking, other, lake, names, seed)
        for table in _tables(setting, names, orders, parents, unrounded, taking):
            done.append(table)
            if not as_json:
                print_table(table.title, table.headings, table.rows)
            if write:
                _write(done, f"{said} --write")
    if as_json:
        print_json({"tables": [table._asdict() for table in done]})


def _tables(
    setting: Setting,
    symbols: Sequence[str],
    orders: int,
    parents: int,
    fine: Setting | None,
    taking: Callable[[], Table],
) -> Iterator[Table]:
    """All tables, one after another."""
    yield from touch_tables.tables(setting, symbols, orders, fine)
    yield from parent_tables.tables(setting, symbols, parents)
    yield taking()


def _write(tables: Sequence[Table], arguments: str) -> None:
    """Write the tables after what the file says above its first one."""
    text = RESULTS.read_text("utf-8") if RESULTS.exists() else "# Other engines\n"
    lines = [text.split("\n## ", 1)[0].rstrip(), ""]
    for table in tables:
        lines += [f"## {table.title}", "", *markdown_table(table.headings, table.rows)]
        lines.append("")
    lines.append(f"Written by `python -m studies engines --lake L {arguments}`.")
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
