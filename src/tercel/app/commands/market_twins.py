"""`tercel market twins`: the standard error of impact from twin runs and what a pair costs, coupled or not."""

import time
from typing import Any

from tercel.app.output import print_json, print_table, say
from tercel.core.errors import ConfigError
from tercel.market.coupled.twins import measure
from tercel.market.flow import preset as presets
from tercel.market.impact.law import LAWS
from tercel.market.simulator.source import reactive

WORLDS = 8
MOST_SHARE, MOST_S = 100.0, 86_400.0
"""A metaorder beyond is none that a market could be asked about, and would not fit in memory."""


def run(
    name: str, *, pairs: int, share: float, length_s: float, seed: int, impact: str | None, as_json: bool
) -> dict[str, Any]:
    """Measure and print.

    Parameters
    ----------
    name : str
        Preset, or preset file.
    pairs : int
        Twins of each scheme.
    share, length_s : float
        Size of the metaorder as a share of the public volume expected in its length.
    seed : int
        Of their streams.
    impact : str, optional
        none, translation or weights; default: what the preset carries.

    Raises
    ------
    ConfigError
        No such preset or law, a share or length of nothing.
    """
    if impact is not None and impact not in LAWS:
        raise ConfigError(f"an impact law: {', '.join(LAWS)}", f"'{impact}'", "such as --impact translation")
    if not (share > 0.0 and length_s > 0.0):
        raise ConfigError("a share and a length above 0", f"{share:g} of {length_s:g} s", "such as --share 0.1")
    if share > MOST_SHARE or length_s > MOST_S:
        expected = f"a share of at most {MOST_SHARE:g} and a length of at most {MOST_S:g} s"
        raise ConfigError(expected, f"{share:g} of {length_s:g} s", "such as --share 0.1 --length 600")
    preset = presets.load(name)
    market = reactive(preset, worlds=WORLDS, seed=seed, impact=impact)
    lots = max(round(share * preset.volume_per_s * length_s), 1)
    plain, coupled = measure(
        market, lots=lots, length_s=length_s, pairs=pairs, seed=seed, clock=time.process_time
    )  # fmt: skip
    found = {
        "preset": preset.name,
        "model": preset.model,
        "impact": None if market.impact is None else market.impact.law,
        "pairs": pairs,
        "lots": lots,
        "length_s": length_s,
        "seed": seed,
        "schemes": [plain.figures(), coupled.figures(plain)],
    }
    if as_json:
        print_json(found)
    else:
        _show(found)
    return found


def _show(found: dict[str, Any]) -> None:
    headings = [
        "twins", "impact, ticks", "se", "sd at end", "at twice", "at thrice", "same mid at thrice", "ms a pair",
        "worth", "worth at thrice",
    ]  # fmt: skip
    rows = []
    for row in found["schemes"]:
        worth = row["worth_per_cpu_second"] or {"end": 1.0, "thrice": 1.0}
        sd, ends = row["sd_ticks"], (worth["end"], worth["thrice"])
        rows.append(
            [
                row["scheme"], f"{row['impact_ticks']['end']:.3f}", f"{row['se_ticks']['end']:.3f}",
                f"{sd['end']:.2f}", f"{sd['twice']:.2f}", f"{sd['thrice']:.2f}", f"{row['equal_mids']['thrice']:.0%}",
                f"{row['ms_a_pair']:.2f}", *("" if x is None else f"{x:.2f}" for x in ends),
            ]
        )  # fmt: skip
    print_table(
        f"{found['preset']} ({found['model']}): {found['lots']} lots over {found['length_s']:g} s, "
        f"{found['pairs']:,} pairs",
        headings, rows, ["at twice", "worth", "same mid at thrice"],
    )  # fmt: skip
    worth = found["schemes"][1]["worth_per_cpu_second"]["thrice"]
    verdict = "coupling pays" if worth is not None and worth > 1.2 else "coupling is not worth its price"
    say(
        f"A CPU second of coupled twins is worth {'?' if worth is None else f'{worth:.2f}'} of one stream's, "
        f"at three lengths: {verdict}."
    )
