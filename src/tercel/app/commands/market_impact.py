"""`tercel market impact`: what metaorders do to a market's price, as a table, a page and a law for its card."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tercel.app.output import print_json, print_table, say, write_page
from tercel.market.flow import preset as presets
from tercel.market.impact.card import BARS, LENGTH_S, impact_card
from tercel.market.impact.law import ImpactLaw
from tercel.market.impact.pilot import carrying
from tercel.report.impact_figures import decay_and_response, impact_by_size, metaorder_paths
from tercel.report.page import Section, render
from tercel.report.tables import spelt

WORDS = {
    "exponent_size": "exponent of size, 600 s",
    "exponent_participation": "exponent of size, one participation",
    "exponent_time": "exponent of time, inside",
    "level_2T": "level at twice the length",
    "level_3T": "level at three times",
}
HEADINGS = ("figure", "mean [95 %]", "markets", "missed")


def measure(name: str, *, pairs: int, seed: int, impact: str | None, out: Path | None, as_json: bool) -> None:
    """Measure, print, and write `impact.json` and `impact.html` to `out`.

    Raises
    ------
    ConfigError
        No such preset or law, too few pairs.
    """
    card = impact_card(presets.load(name), pairs=pairs, seed=seed, impact=impact)
    if out is not None:
        write_page(out, "impact", card, page(card, out))
    if as_json:
        print_json(card)
        return
    law = card["law"]["law"] if card["law"] else "no law"
    title = f"{card['preset']}: impact of metaorders, {law}, {card['pairs']:,} pairs"
    print_table(title, HEADINGS, list(rows(card)), words=["missed"])
    for line in lines(card):
        say(line)
    if out is not None:
        say(f"report   {out / 'impact.html'}")


def carry(name: str, out: Path, *, y: float, seed: int, as_json: bool) -> None:
    """Write the preset with the law that a pilot measures on its card."""
    made = carrying(presets.load(name), y=y, seed=seed)
    law = ImpactLaw(**made.card["impact"])
    made.save(out)
    if as_json:
        print_json({"name": made.name, "out": out, "impact": law.card()})
        return
    say(f"wanted   {law.scale_ticks:.4g} ticks after a mean trade of {law.mean_trade_lots:.4g} lots")
    say(f"written  {out}")


def rows(card: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The five figures beside their bars."""
    for key, words in WORDS.items():
        low, high = BARS[key]
        yield words, spelt(card[key]), f"{low:g} to {high:g}", "" if card["passed"][key] else "missed"


def lines(card: Mapping[str, Any]) -> list[str]:
    """What else is measured, in sentences."""
    told = [
        "impact at the end, 600 s: "
        + ", ".join(f"{100 * r['share']:g} % {r['ticks']:.2f} +- {r['se']:.2f} ticks" for r in card["sizes"]),
        f"standard error of a twin impact at {card['twin']['pairs']:,} pairs: {card['twin']['se_ticks']:.3g} ticks; "
        f"a pair takes {1000 * card['twin']['seconds_a_pair']:.3g} ms",
    ]
    prior = card["prior"]
    if prior is not None and prior["ticks"]:
        low, high = (y / prior["y"] for y in prior["y_of_markets"])
        wanted = prior["ticks"]["0.1"]
        told.append(
            f"a prior: Y = {prior['y']:g} wants {wanted:.2f} ticks for 10 % in 600 s; "
            f"Y of 0.5 to 1.5 would want {low * wanted:.2f} to {high * wanted:.2f}"
        )
    trips = card["round_trips"]
    if trips is not None:
        told.append(f"best round trip on the law alone: {100 * trips['best_share_of_peak']:.1f} % of size x peak")
    return told


def _told(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def page(card: Mapping[str, Any], out: Path) -> str:
    """The figures as pictures."""
    missed = [WORDS[key] for key, fine in card["passed"].items() if not fine]
    lead = "All five figures lie where markets stand." if not missed else f"Missed: {', '.join(missed)}."
    facts = {key: _told(value) for key, value in (card["law"] or {}).items() if value != 0.0}
    return render(
        f"Impact of metaorders in {card['preset']}",
        lead,
        [
            Section(
                "Impact through time and against size", lines(card),
                figures=[metaorder_paths(card["path"], LENGTH_S), impact_by_size(card["sizes"], card["lengths"])],
            ),
            Section("After the end, and after a public trade", figures=[
                decay_and_response(card["decay"], card["response"])
            ]),
            Section("The law", "Exponent and kernel are priors: the public tape does not teach them.", facts=facts),
        ],
        footer=f"reprint: tercel market impact {card['preset']} --pairs {card['pairs']} --out {out}",
    )  # fmt: skip
