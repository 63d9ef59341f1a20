"""``python -m studies causes``: a row for each ingredient that is taken out, of recorded and of simulated days."""

from collections.abc import Sequence
from pathlib import Path

from studies.fills import causes as c
from tercel.cli import print_json, print_table, say
from tercel.core import Floats, to_jsonable
from tercel.market import overlapping_days, read_preset_days
from tercel.market.flow import load


def run(
    lake: Path, symbol: str, dates: Sequence[str], preset: str, days: int, seed: int, as_json: bool
) -> None:
    """Print the causes and what state gives them back."""
    market = load(preset or symbol.lower())
    read = read_preset_days(market, lake, dates, symbol=symbol, venue="")
    found, held = c.study(market, read, days, seed)
    base, weights = found[0], c.draws(found, seed)
    of, by_name = (
        {name: of for name, (of, _) in c.states().items()},
        {one.name: one for one in found},
    )
    back = {one.name: c.given_back(base, by_name[of[one.name]], one) for one in held}
    shares = {one.name: c.explained(base, one) for one in found[1:]}
    around = {
        one.name: {way: c.interval(drawn) for way, drawn in c.explained(base, one, weights).items()}
        for one in found[1:]
    }
    if as_json:
        told = {
            one.name: {kind: {"value": c.values(sums), "interval": c.interval(c.values(sums, drawn))} for kind, sums, drawn in
                       (("recorded", one.recorded, weights[0]), ("simulated", one.simulated, weights[1]))}
            for one in found
        }  # fmt: skip
        about = {
            "symbol": symbol,
            "days": list(dates),
            "preset": market.name,
            "simulated_days": days,
            "seed": seed,
        }
        print_json(to_jsonable({**about, "figures": c.FIGURES, "rows": told, "shares": shares, "share_intervals": around,
                                "given_back": back}))  # fmt: skip
        return
    cells = []
    for one in found:
        figures = [
            c.values(sums)[part]
            for sums in (one.recorded, one.simulated)
            for part in (c.FILLS, c.MARKS)
        ]
        around_shares = [f"{share:.2f} [{low:.2f}, {high:.2f}]" for way in shares.get(one.name, ())
                for share, low, high in zip(shares[one.name][way], *around[one.name][way], strict=True)]  # fmt: skip
        cells.append([one.name, *map(text, figures), *(around_shares or [""] * 4)])
    head = ["taken out"] + [
        f"{kind}: {what}" for kind in ("recorded", "simulated") for what in ("filled", "mid")
    ]
    head += [f"gap of {what}, {way}" for way in c.WAYS for what in ("fills", "mid")]
    print_table(
        f"{symbol}: what makes orders fill more readily in {market.name}",
        head,
        cells,
        drop_order=head[4:2:-1] + head[5:7],
    )
    seen = overlapping_days(market, read)
    say(f"Filled in 10, 30, 100 and 300 s; mid 1, 10 and 60 s after a fill less its price, ticks; {len(read)} recorded days, "
        f"{len(seen)} of them calibrated the preset, {days} simulated; intervals: days drawn anew.")  # fmt: skip
    kinds = [f"{kind}: {what}" for kind in ("recorded", "simulated") for what in ("fills", "mid")]
    rows = [[name, of[name], *(f"{x:.2f}" for x in share.ravel())] for name, share in back.items()]
    print_table("what is given back where a state is held", ("held", "of", *kinds), rows)


def text(figures: Floats) -> str:
    """Shares with three digits or ticks with two."""
    return " ".join(f"{x:.3f}" if len(figures) == len(c.WAITS_S) else f"{x:.2f}" for x in figures)
