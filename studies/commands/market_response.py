"""`tercel market response`: what a market answers to styles of execution, as tables, bars and a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from studies.commands.cells import percent, with_error
from studies.commands.market_impact import Law
from tercel.cli import PRESET, AsJson, Seed, check_folder, hand_over, page_folder, print_table, say
from tercel.core.report import format_number, plain_table

Cells = list[list[str]]
Sizes = Annotated[
    list[float] | None,
    typer.Option(
        "--size",
        help="Order as a share of half an hour's volume; may be given again. Default: 0.1, 0.3, 1.",
    ),
]
SIZES = (0.1, 0.3, 1.0)
AFTER = ("60", "180", "300")


@dataclass(frozen=True)
class ResponseRequest:
    """What is asked of `tercel market response`."""

    preset: Annotated[str, PRESET]
    sizes: Sizes = None
    pairs: Annotated[
        int,
        typer.Option(
            help="Worlds with a twin at most; fewer where the error is small.", metavar="N"
        ),
    ] = 1000
    seed: Seed = 0
    impact: Law = None
    out: Annotated[Path | None, page_folder("response")] = None
    as_json: AsJson = False


def response(request: ResponseRequest) -> None:
    """Measure what a market answers to styles of execution: displacement, cost by size, who comes to resting orders."""
    check_folder(request.out)
    from studies.response.response import measure
    from tercel.market.flow import load
    from tercel.market.impact import law_for
    from tercel.market.simulator import reactive

    preset = load(request.preset)
    market = reactive(preset, seed=request.seed, impact=law_for(preset, request.impact) or "none")
    sizes, pairs, seed = request.sizes or SIZES, request.pairs, request.seed
    found = {
        "preset": preset.name,
        "model": preset.model,
        "impact": None if market.impact is None else market.impact.card(),
        "pairs": pairs,
        "seed": seed,
        **measure(market, preset.volume_per_s, sizes=sizes, pairs=pairs, seed=seed, progress=say),
    }
    hand_over(
        found, request.as_json, lambda: show(found), request.out, "response", lambda: page(found)
    )


# -- tables -----------------------------------------------------------------------------------------------------------

STYLES = (
    "style",
    "size",
    "pairs",
    "at T, ticks",
    "law",
    "at 2T",
    "law at 2T",
    "cost, bps",
    "unfilled",
    "missed",
)
NEVER = ("never trading", "less the twin's move, bps", "immediate, bps", "difference", "missed")
HITS = (
    "style",
    *(f"{what}, {seconds} s" for seconds in AFTER for what in ("lots", "takers")),
    "by translation",
)


def show(found: Mapping[str, Any]) -> None:
    """Three tables and a verdict."""
    law = found["impact"]["law"] if found["impact"] else "no law"
    leaves = ("pairs", "unfilled", "law at 2T", "at 2T")
    print_table(
        f"{found['preset']}: response to styles, {law}",
        STYLES,
        of_styles(found),
        leaves,
        left_aligned=["missed"],
    )
    print_table("nothing done before the horizon", NEVER, of_never(found), left_aligned=["missed"])
    title = f"who comes to orders of {100 * float(found['attraction_size']):g} %, over the twin's"
    print_table(title, HITS, of_hits(found))
    for line in lines(found):
        say(line)


def of_styles(found: Mapping[str, Any]) -> Cells:
    """A row for each style and size."""
    bars, rows = found["bars"], []
    for name, by_size in found["styles"].items():
        for size, one in by_size.items():
            moved, later = one["displacement_ticks"], one["at_2T"]
            missed = [at for at, fine in bars["displacement"][name][size].items() if fine is False]
            rows.append(
                [
                    name, percent(float(size)), str(moved["n"]), with_error(moved), format_number(one["law_ticks"]),
                    with_error(later), format_number(later["law_ticks"]), with_error(one["cost_bps"]),
                    percent(one["unfilled_share"]), " ".join(missed),
                ]
            )  # fmt: skip
    return rows


def of_never(found: Mapping[str, Any]) -> Cells:
    """A row for each size."""
    parts = ("less_twin_bps", "immediate_bps", "difference_bps")
    cheaper = {
        size: "cheaper" if fine is False else "" for size, fine in found["bars"]["never"].items()
    }
    return [
        [percent(float(size)), *(with_error(one[part]) for part in parts), cheaper[size]]
        for size, one in found["never"].items()
    ]


def of_hits(found: Mapping[str, Any]) -> Cells:
    """A row for each style."""
    rows = []
    for name, at in found["attraction"].items():
        cells = [
            with_error(one) for seconds in AFTER for one in (at[seconds], at[seconds]["takers"])
        ]
        shares = [share for share in found["translation"][name].values() if share is not None]
        rows.append([name, *cells, percent(max(shares)) if shares else ""])
    return rows


def lines(found: Mapping[str, Any]) -> list[str]:
    """What was missed, in sentences."""
    bars, sentences = found["bars"], []
    off = [
        f"{name} {percent(float(size))} at {at}"
        for name, by_size in bars["displacement"].items()
        for size, ends in by_size.items()
        for at, fine in ends.items()
        if fine is False
    ]
    cheaper = [name for name, one in bars["cost_by_size"].items() if not one["passed"]]
    share = found["filled_by_translation_share"]
    sentences.append(f"off the law by more than 25 % and 2 s.e.: {', '.join(off) or 'none'}")
    sentences.append(f"cheaper when larger, beyond 2 s.e.: {', '.join(cheaper) or 'none'}")
    if share is not None:
        missed = ", more than 2 %" if bars["translation"] is False else ""
        sentences.append(
            f"own passive lots filled by the law's own moves: {100 * share:.2f} %{missed}"
        )
    joined = [
        f"{what} at {at} s"
        for at, one in bars["attraction"].items()
        for what in one
        if one[what] is False
    ]
    sentences.append(f"joining the touch draws too many: {', '.join(joined) or 'nothing'}")
    return [*sentences, "all bars are met" if found["passed"] else "bars are missed"]


def page(found: Mapping[str, Any]) -> str:
    """The tables and the verdict as a page."""
    from tercel.core.report import Section, render_page

    return render_page(
        f"Response of {found['preset']}",
        "All bars are met." if found["passed"] else "Bars are missed.",
        [
            Section(
                "Displacement and cost by style",
                lines(found),
                html=plain_table(STYLES, of_styles(found)),
            ),
            Section("Nothing done before the horizon", html=plain_table(NEVER, of_never(found))),
            Section("Who comes to resting orders", html=plain_table(HITS, of_hits(found))),
        ],
        footer=f"reprint: tercel market response {found['preset']} --pairs {found['pairs']} --seed {found['seed']}",
    )
