"""`tercel market dealers`: hit ratios and costs of requests for quote, and a law fitted to a desk's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tercel.cli.options import JsonRequest, Seed
from tercel.cli.output import check_folder, hand_over, print_rows, print_sentences, say


@dataclass(frozen=True)
class Dealers(JsonRequest):
    """Options of `tercel market dealers`."""

    panel: Annotated[
        str,
        typer.Argument(
            help="eurusd, gbpusd, equity, or a file of your own numbers (.toml).",
            metavar="[PRESET]",
        ),
    ] = "eurusd"
    requests: Annotated[
        int,
        typer.Option(help="Requests simulated for each number of dealers.", min=100, metavar="N"),
    ] = 5_000
    seed: Seed = 1
    size: Annotated[
        float | None,
        typer.Option(help="Units of each request. Default: a large one.", min=0.0, metavar="UNITS"),
    ] = None
    history: Annotated[
        Path | None,
        typer.Option(
            help="Your own requests (.csv: time, side, size, dealer, quote, mid, won): the law is fitted to them.",
            metavar="FILE",
        ),
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option(help="Name of a column in the history: quote=Price.", metavar="OURS=THEIRS"),
    ] = None
    out: Annotated[Path | None, typer.Option(help="Folder for the report.", metavar="DIR")] = None


def dealers(request: Dealers) -> None:
    """Simulate requests for quote: hit ratios, cost by number of dealers, and a fit to them or to your own history."""
    check_folder(request.out)
    import numpy as np

    from tercel.core.files import write_atomic
    from tercel.market.dealers.dealer_fit import calibrate_panel
    from tercel.market.dealers.dealer_study import study
    from tercel.market.dealers.history import read_history
    from tercel.market.dealers.panel import load_panel, panel_text

    panel = load_panel(request.panel)
    own_history = request.history and read_history(request.history, columns=request.column or ())
    dealer_study = study(panel, request.requests, request.seed, request.size, own_history or None)

    def show() -> None:
        """Print the simulated requests and the fit as tables."""
        print_rows(
            f"requests to {panel.name}, {dealer_study.size:g} {panel.unit}", *dealer_study.table()
        )
        print_sentences(dealer_study.sentences())

    if own_history and request.out is not None:
        request.out.mkdir(parents=True, exist_ok=True)
        file = request.out / "panel.toml"
        write_atomic(
            file,
            panel_text(
                calibrate_panel(panel, dealer_study.fit, float(np.median(own_history.size)))
            ),
        )
        say(f"panel   {file}")
    hand_over(
        dealer_study.to_json(), request.as_json, show, request.out, "dealers", dealer_study.page
    )
