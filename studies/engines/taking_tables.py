"""Taking orders in the replay and in NautilusTrader, which its host compares: fills, costs, fees, causes of differences."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from studies.engines.touch_tables import Table
from tercel.core import NS_PER_SECOND, ConfigError

HEADINGS: Final = (
    "strategy",
    "latency",
    "orders",
    "shares",
    "cost here, bps",
    "cost there, bps",
    "fees here",
    "fees there",
    "the same fills",
    "lots filled again there",
    "beyond the price band",
)
SAME: Final = "the same fills"
AGAIN: Final = "displayed lots that Nautilus fills again"
DAYS: Final = 5
ORDERS: Final = 10
"""Of each strategy, latency and day."""


def compare_taking(python: Path, lake: Path, symbols: Sequence[str], seed: int) -> Table:
    """The table of orders that take, from the host of NautilusTrader.

    Raises
    ------
    ConfigError
        It ends with an error, whose last line is shown.
    """
    named = ["--lake", str(lake), "--symbols", ",".join(symbols), "--seed", str(seed)]
    counts = ["--days", str(DAYS), "--orders", str(ORDERS)]
    done = subprocess.run(
        [python, "-I", "-m", "tercel_nautilus.beside", *named, *counts],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise ConfigError("a comparison by tercel_nautilus", last, "renew it with `make hosts`")
    return tabulate_taking(json.loads(done.stdout)["summary"])


def tabulate_taking(summary: Sequence[Mapping[str, Any]]) -> Table:
    """The table of what the host says, a row a strategy and latency.

    >>> tabulate_taking([]).rows
    []
    """
    rows = []
    for part in summary:
        here, there, causes = part["tercel"], part["nautilus"], part["causes"]
        same, again = causes.get(SAME, 0), causes.get(AGAIN, 0)
        rows.append(
            [
                part["strategy"],
                f"{1000 * part['latency_ns'] / NS_PER_SECOND:g} ms",
                f"{part['orders']}",
                f"{here['shares']:,}" + ("" if here["shares"] == there["shares"] else " differ"),
                f"{here['cost_bps']:.2f}",
                f"{there['cost_bps']:.2f}",
                here["fees"],
                there["fees"],
                f"{same}",
                f"{again}",
                f"{part['orders'] - same - again}",
            ]
        )
    return Table("Taking orders in the replay and in NautilusTrader", HEADINGS, rows)
