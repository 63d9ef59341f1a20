"""Benches: every speed beside a reference that is measured in the same process.

A bench is a module here with ``bench() -> list[dict]``; each dict has the keys of :data:`KEYS`. An absolute number says
as much about the machine as about the code; `ratio` is what counts, and above 1 always means that Tercel is better.
"""

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tercel.cli import print_json, result_console
from tercel.desk.limits import packaged_text

if TYPE_CHECKING:
    from rich.table import Table

KEYS = ("name", "value", "unit", "reference", "reference_value", "ratio")


def measured(
    name: str,
    value: float,
    unit: str,
    reference: str | None = None,
    reference_value: float | None = None,
    *,
    less: bool = False,
    **about: Any,
) -> dict[str, Any]:
    """One result: a value beside its reference; the ratio is above 1 where it is better (`less`: less is better).

    >>> measured("x.us", 2.0, "us", "a call", 1.0, less=True)["ratio"]
    0.5
    """
    ratio = None
    if reference_value:
        ratio = reference_value / value if less else value / reference_value
    return (
        dict(zip(KEYS, (name, value, unit, reference, reference_value, ratio), strict=True)) | about
    )


def packaged_limits(changes: Mapping[str, str]) -> str:
    """The packaged limits file with other values for some keys, in every section that has them.

    >>> "messages = 7 " in packaged_limits({"messages": "7"})
    True
    """
    text = packaged_text()
    for name, value in changes.items():
        text = re.sub(rf"^{name} = \S+", f"{name} = {value}", text, flags=re.MULTILINE)
    return text


def run_bench(module: str, as_json: bool) -> None:
    """Run ``benchmarks.<module>.bench`` and print its results: a table, or one JSON object."""
    results: list[dict[str, Any]] = import_module(f"{__name__}.{module}").bench()
    ordered = [{key: result[key] for key in KEYS} | result for result in results]
    if as_json:
        print_json({"results": ordered})
    else:
        result_console().print(bench_table(ordered))


def bench_table(results: Sequence[Mapping[str, Any]]) -> "Table":
    """Rich table of bench results, one row each."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, caption="ratio above 1: better than the reference"
    )
    for heading, right in (
        ("bench", False),
        ("value", True),
        ("unit", False),
        ("reference", False),
        ("its value", True),
    ):
        table.add_column(heading, justify="right" if right else "left")
    table.add_column("ratio", justify="right")
    for result in results:
        ratio = result["ratio"]
        colour = "" if ratio is None else ("green" if ratio >= 1 else "red")
        table.add_row(
            str(result["name"]),
            _short(result["value"]),
            str(result["unit"]),
            str(result["reference"] or ""),
            _short(result["reference_value"]),
            f"[{colour}]{ratio:.2f}[/]" if ratio is not None else "",
        )
    return table


def _short(value: float | None) -> str:
    """Three to four figures, with thousands set apart.

    >>> _short(81_400_000.0), _short(0.2534), _short(9.87), _short(None)
    ('81,400,000', '0.253', '9.87', '')
    """
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
