"""`tercel market impact`: what metaorders do to a market's price, as a table, a page and a law for its card."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tercel.cli import (
    PRESET,
    JsonRequest,
    Seed,
    check_folder,
    hand_over,
    page_folder,
    print_table,
    say,
)
from tercel.core import ConfigError, Estimate
from tercel.core.report import format_interval

Law = Annotated[
    str | None,
    typer.Option(
        help="none, translation or weights (default: what the preset carries).", metavar="LAW"
    ),
]
QUESTIONS = {
    "exponent_size": "exponent of size, 600 s",
    "exponent_participation": "exponent of size, one participation",
    "exponent_time": "exponent of time, inside",
    "level_2T": "level at twice the length",
    "level_3T": "level at three times",
}
HEADINGS = ("figure", "mean [95 %]", "markets", "missed")


@dataclass(frozen=True)
class Impact(JsonRequest):
    """What is asked of `tercel market impact`."""

    preset: Annotated[str, PRESET]
    pairs: Annotated[
        int,
        typer.Option(
            help="Twins of each size and length; 400: exponents within about 0.05.", metavar="N"
        ),
    ] = 400
    seed: Seed = 0
    impact: Law = None
    out: Annotated[Path | None, page_folder("impact")] = None
    carry: Annotated[
        Path | None,
        typer.Option(
            help="Only measure the law that a pilot finds, and write the preset with it.",
            metavar="FILE",
        ),
    ] = None
    y: Annotated[
        float,
        typer.Option(
            "--y", help="(--carry) Prefactor of the square-root law; markets show 0.5 to 1.5."
        ),
    ] = 1.0


def impact(request: Impact) -> None:
    """Measure what metaorders do to a market's price: exponents, decay, round trips, twin errors."""
    check_folder(request.out)
    if request.carry is not None:
        _carry(request, request.carry)
        return
    from studies.impact.card import impact_card
    from tercel.market.flow import load

    card = impact_card(
        load(request.preset), pairs=request.pairs, seed=request.seed, impact=request.impact
    )

    def show() -> None:
        law = card["law"]["law"] if card["law"] else "no law"
        title = f"{card['preset']}: impact of metaorders, {law}, {card['pairs']:,} pairs"
        print_table(title, HEADINGS, list(rows(card)), left_aligned=["missed"])
        for line in lines(card):
            say(line)

    hand_over(card, request.as_json, show, request.out, "impact", lambda: page(card, request.out))


def _carry(request: Impact, out: Path) -> None:
    """Write the preset with the law that a pilot measures on its card."""
    if request.impact not in (None, "translation"):
        raise ConfigError(
            "--carry with the law translation", f"--impact {request.impact}", "leave --impact out"
        )
    if out.suffix != ".json":
        raise ConfigError("a preset file (.json) to write", f"--carry {out}", "name it NAME.json")
    from tercel.market.flow import load
    from tercel.market.impact import ImpactLaw, with_pilot_law

    made = with_pilot_law(load(request.preset), y=request.y, seed=request.seed)
    law = ImpactLaw(**made.card["impact"])
    made.save(out)

    def show() -> None:
        say(
            f"wanted   {law.scale_ticks:.4g} ticks after a mean trade of {law.mean_trade_lots:.4g} lots"
        )
        say(f"written  {out}")

    hand_over({"name": made.name, "out": out, "impact": law.card()}, request.as_json, show)


def rows(card: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The five figures beside their bars."""
    from studies.impact.card import BARS

    for key, question in QUESTIONS.items():
        low, high = BARS[key]
        yield (
            question,
            format_interval(Estimate.of(card[key])),
            f"{low:g} to {high:g}",
            "" if card["passed"][key] else "missed",
        )


def lines(card: Mapping[str, Any]) -> list[str]:
    """What else is measured, in sentences."""
    sentences = [
        "impact at the end, 600 s: "
        + ", ".join(
            f"{100 * r['share']:g} % {r['ticks']:.2f} +- {r['se']:.2f} ticks" for r in card["sizes"]
        ),
        f"standard error of a twin impact at {card['twin']['pairs']:,} pairs: {card['twin']['se_ticks']:.3g} ticks; "
        f"a pair takes {1000 * card['twin']['seconds_a_pair']:.3g} ms",
    ]
    prior = card["prior"]
    if prior is not None and prior["ticks"]:
        low, high = (y / prior["y"] for y in prior["y_of_markets"])
        wanted = prior["ticks"]["0.1"]
        sentences.append(
            f"a prior: Y = {prior['y']:g} wants {wanted:.2f} ticks for 10 % in 600 s; "
            f"Y of 0.5 to 1.5 would want {low * wanted:.2f} to {high * wanted:.2f}"
        )
    trips = card["round_trips"]
    if trips is not None:
        sentences.append(
            f"best round trip on the law alone: {100 * trips['best_share_of_peak']:.1f} % of size x peak"
        )
    return sentences


def page(card: Mapping[str, Any], out: Path | None) -> str:
    """The figures as pictures."""
    from studies.impact.card import LENGTH_S
    from studies.impact.impact_figures import (
        decay_and_response,
        impact_by_size,
        metaorder_paths,
    )
    from tercel.core.report import Section, render_page

    missed = [QUESTIONS[key] for key, fine in card["passed"].items() if not fine]
    lead = (
        "All five figures lie where markets stand."
        if not missed
        else f"Missed: {', '.join(missed)}."
    )
    facts = {
        key: f"{value:.4g}" if isinstance(value, float) else value
        for key, value in (card["law"] or {}).items()
        if value != 0.0
    }
    return render_page(
        f"Impact of metaorders in {card['preset']}",
        lead,
        [
            Section(
                "Impact through time and against size",
                lines(card),
                figures=[
                    metaorder_paths(card["path"], LENGTH_S),
                    impact_by_size(card["sizes"], card["lengths"]),
                ],
            ),
            Section(
                "After the end, and after a public trade",
                figures=[decay_and_response(card["decay"], card["response"])],
            ),
            Section(
                "The law",
                "Exponent and kernel are priors: the public tape does not teach them.",
                facts=facts,
            ),
        ],
        footer=f"reprint: tercel market impact {card['preset']} --pairs {card['pairs']} --out {out}",
    )
