"""``python -m studies shadow``: bounds of a desk in shadow beside fills."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from studies.shadow.fills import ShadowTrial, by_number, cells_of
from tercel.api import bounds_and_fills
from tercel.cli import print_json, print_table

HEADINGS: Final = (
    "",
    "parents",
    "realised",
    "between",
    "centre",
    "width",
    "above",
    "below",
    "miss by",
)
BARS: Final = {"within": 0.80, "centre_bps": 0.5}


def run(
    markets: Sequence[str],
    parents: int,
    horizon_s: float,
    seed: int,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Print scores by market, size, spread and strategy."""
    with TemporaryDirectory(prefix="tercel-shadow-") as folder:
        worked, bounds = ShadowTrial(markets, parents, horizon_s, seed).run(Path(folder))
    cells = cells_of(worked)
    if picture is not None:
        picture.write_text(bounds_and_fills(*by_number(worked)).svg, encoding="utf-8")
    if as_json:
        laws = {
            name: {key: law[key] for key in ("sigma_ticks", "trades")}
            for name, law in bounds.laws.items()
        }
        print_json({"seed": seed, "horizon_s": horizon_s, **cells, "bars": BARS, "laws": laws})
        return
    rows = [
        [cell["name"], f"{cell['parents']}", f"{cell['realised_bps']:+.2f}", f"{100 * cell['within']:.0f} %",
         f"{cell['centre_bps']:+.2f}", f"{cell['width_bps']:.2f}", f"{cell['above']}", f"{cell['below']}",
         f"{cell['miss_bps']:.2f}"]
        for group in cells.values()
        for cell in group
    ]  # fmt: skip
    title = f"{len(worked)} parents of {horizon_s:g} s in {', '.join(markets)}, seed {seed}; bps"
    print_table(title, HEADINGS, rows)
