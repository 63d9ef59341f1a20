"""`tercel market facts` and `tercel market sanity`: stylised facts one by one, and a thousand days of each market."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from tercel.cli import AsJson, Lake, Seed, Symbol, hand_over, parse_dates, print_table, say
from tercel.core import ConfigError

if TYPE_CHECKING:
    from studies.realism.sanity import Sanity
    from studies.realism.stylised import Finding

Markets = Annotated[
    list[str], typer.Argument(help="Markets, by name or as .json files.", metavar="MARKET...")
]
SEEDS = (1, 2, 3)
SANITY_HEAD = (
    "market", "model", "days", "runaway", "empty", "overflow", "sd60/tape", "within 20 %", "lowest", "highest",
    "spread/tape", "max spread", "volume/tape", "verdict",
)  # fmt: skip
LEAVES = ("max spread", "highest", "lowest", "volume/tape", "model", "spread/tape", "within 20 %")


@dataclass(frozen=True)
class Facts:
    """What is asked of `tercel market facts`."""

    markets: Markets
    lake: Lake
    symbol: Symbol
    date: Annotated[str, typer.Option(help="Days, separated by commas.", metavar="D,D,...")]
    as_json: AsJson = False


def facts(request: Facts) -> None:
    """Cont's stylised facts and those of order flow, one by one: real days beside simulated ones."""
    dates = parse_dates(request.date)
    from studies.realism.stylised import FACTS, find
    from tercel.market import check_one_market, read_days, simulate_stretch
    from tercel.market.flow import load
    from tercel.market.score import sample

    days = read_days(request.lake, request.symbol, dates)
    presets = [load(name) for name in request.markets]
    for preset in presets:
        check_one_market(preset, days)
    real = [day.observe() for day in days]
    sample(real)  # refuses tapes that are too short to say anything
    columns = {"real": real}
    for preset in presets:
        columns[preset.name] = [
            simulate_stretch(preset, seed, like) for like in real for seed in SEEDS
        ]
    found = {
        fact.name: {name: find(fact, seen) for name, seen in columns.items()} for fact in FACTS
    }
    says = {fact.name: fact.says for fact in FACTS}
    rows = {
        name: {"says": says[name], **{at: asdict(one) for at, one in row.items()}}
        for name, row in found.items()
    }

    def show() -> None:
        cells = [
            (name, says[name], *(_cell(one) for one in row.values())) for name, row in found.items()
        ]
        title = (
            f"{request.symbol}, {', '.join(dates)}: stylised facts (number, and whether it holds)"
        )
        headings = ("fact", "what is asked", *columns)
        print_table(
            title, headings, cells, drop_order=("what is asked",), left_aligned={"what is asked"}
        )

    result = {"symbol": request.symbol, "dates": dates, "seeds": SEEDS, "facts": rows}
    hand_over(result, request.as_json, show)


def _cell(cell: "Finding") -> str:
    if cell.mean is None:
        return "-"
    return f"{cell.mean:.2f} {'?' if cell.holds is None else 'yes' if cell.holds else 'no'}"


@dataclass(frozen=True)
class FreeDays:
    """What is asked of `tercel market sanity`."""

    interrupted: ClassVar[str] = "the days that are done are kept; the same command continues"

    markets: Markets
    days: Annotated[int, typer.Option(help="Days of each market.", min=1, metavar="N")] = 1000
    seed: Seed = 1
    out: Annotated[
        Path, typer.Option(help="Folder of the days; what is done is not run again.")
    ] = Path("runs/sanity")
    as_json: AsJson = False


def sanity(request: FreeDays) -> int:
    """Let markets run free for many days: does one run away, dry up, or lose its volatility? Exit 1 if one does."""
    from studies.realism.free_days import free_days
    from studies.realism.sanity import summary
    from tercel.market.flow import load

    presets = {name: load(name) for name in request.markets}
    called = [preset.name for preset in presets.values()]
    if twice := sorted({name for name in called if called.count(name) > 1}):
        raise ConfigError(
            "markets of different names", f"several of {', '.join(twice)}", "rename one in its file"
        )
    request.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Sanity] = {}
    seeds = range(request.seed, request.seed + request.days)
    for name, preset in presets.items():
        done = free_days(name, seeds, request.out / f"{preset.name}.jsonl")
        found[preset.name] = summary(preset, [done[seed] for seed in seeds])
        if not request.as_json:
            say(f"{preset.name}: {'passed' if found[preset.name].passed else 'missed'}")

    def show() -> None:
        cells = [
            _cells(preset.name, preset.model, found[preset.name]) for preset in presets.values()
        ]
        title = f"{request.days} days of each market left to itself"
        print_table(title, SANITY_HEAD, cells, drop_order=LEAVES, left_aligned={"model", "verdict"})

    result = {
        "days": request.days,
        "seed": request.seed,
        "markets": {name: asdict(row) for name, row in found.items()},
    }
    hand_over(result, request.as_json, show)
    return 0 if all(row.passed for row in found.values()) else 1


def _cells(name: str, model: str, row: "Sanity") -> tuple[str, ...]:
    return (
        name, model, str(row.days), str(row.runaway_days), str(row.empty_days), str(row.overflow_days),
        f"{row.volatility:.2f}", f"{100 * row.within_share:.0f} %", f"{row.lowest:.2f}", f"{row.highest:.2f}",
        f"{row.mean_spread_ratio:.2f}", f"{row.max_spread:.0f}", f"{row.volume_ratio:.2f}",
        "passed" if row.passed else "missed",
    )  # fmt: skip
