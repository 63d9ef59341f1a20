"""`tercel market impact`: what metaorders do to a market's price, as a table, a page and a law for its card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from tercel.app.output import json_text, print_json, result_console, say
from tercel.core.errors import ConfigError
from tercel.market.flow import preset as presets
from tercel.market.impact.card import BARS, LENGTH_S, impact_card
from tercel.market.impact.law import LAWS, ImpactLaw
from tercel.market.impact.pilot import carrying
from tercel.report.impact_figures import decay_and_response, impact_by_size, metaorder_paths
from tercel.report.page import Section, render

WORDS = {
    "exponent_size": "exponent of size, 600 s",
    "exponent_participation": "exponent of size, one participation",
    "exponent_time": "exponent of time, inside",
    "level_2T": "level at twice the length",
    "level_3T": "level at three times",
}


def measure(name: str, *, pairs: int, seed: int, impact: str | None, out: Path | None, as_json: bool) -> None:
    """Measure, print, and write `impact.json` and `impact.html` to `out`.

    Raises
    ------
    ConfigError
        No such preset or law, too few pairs, an `out` that is a file.
    """
    if impact is not None and impact not in LAWS:
        raise ConfigError(f"an impact law: {', '.join(LAWS)}", f"'{impact}'", "such as --impact translation")
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError("a folder to write to", f"{out} is a file", "name another --out")
    card = impact_card(presets.load(name), pairs=pairs, seed=seed, impact=impact)
    if out is not None:
        write(card, out)
    if as_json:
        print_json(card)
        return
    result_console().print(table(card))
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


def table(card: Mapping[str, Any]) -> Table:
    """The five figures beside their bars."""
    law = card["law"]["law"] if card["law"] else "no law"
    found = Table(title=f"{card['preset']}: impact of metaorders, {law}, {card['pairs']:,} pairs", box=None)
    for heading in ("", "mean", "95 % interval", "markets", ""):
        found.add_column(heading, justify="right" if heading else "left")
    for key, words in WORDS.items():
        one, (low, high) = card[key], BARS[key]
        interval = "" if one["ci_low"] is None else f"{one['ci_low']:.2f} to {one['ci_high']:.2f}"
        mean = "" if one["mean"] is None else f"{one['mean']:.2f}"
        found.add_row(words, mean, interval, f"{low:g} to {high:g}", "" if card["passed"][key] else "missed")
    return found


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


def write(card: Mapping[str, Any], out: Path) -> None:
    """`impact.json` and `impact.html`, each aside first, then renamed."""
    out.mkdir(parents=True, exist_ok=True)
    missed = [WORDS[key] for key, fine in card["passed"].items() if not fine]
    lead = "All five figures lie where markets stand." if not missed else f"Missed: {', '.join(missed)}."
    facts = {key: _told(value) for key, value in (card["law"] or {}).items() if value != 0.0}
    page = render(
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
    for name, text in (("impact.json", json_text(card) + "\n"), ("impact.html", page)):
        aside = out / f".{name}.part"
        aside.write_text(text, encoding="utf-8")
        aside.replace(out / name)
