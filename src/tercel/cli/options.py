"""Options that several commands share, as annotated types, and the parsing of their texts."""

from dataclasses import dataclass
from datetime import date as calendar_date
from pathlib import Path
from typing import Annotated, Any

import typer

from tercel.core.errors import refuse_if, split_commas

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
Lake = Annotated[Path, typer.Option(help="Folder of the tape lake.", metavar="DIR")]
Seed = Annotated[
    int, typer.Option(help="Seed of all random draws.", min=0, max=2**31 - 1, metavar="S")
]
ObservationOption = Annotated[
    list[str] | None,
    typer.Option(
        "--observation",
        help="Your own observation function of a policy: my_module:observe or path/file.py:observe; several.",
        metavar="WHERE:NAME",
    ),
]
StrategyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy",
        help="Your own strategy, evaluated beside the others: my_module:HalfNow, path/file.py:HalfNow, or a name of an "
        "installed package; several.",
        metavar="WHERE:NAME",
    ),
]
Policy = Annotated[
    str,
    typer.Argument(
        help="A policy's folder, a run's, a packaged policy, or NAME@VERSION (also @champion, @challenger, @latest).",
        metavar="POLICY",
    ),
]
Registry = Annotated[
    str,
    typer.Option(
        help="Registry: a folder, or mlflow+http://HOST:PORT. Default: TERCEL_REGISTRY, else runs/registry.",
        metavar="DIR|URL",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        help="Run the episodes on Ray: local, auto, or a cluster's address.",
        metavar="ADDRESS",
    ),
]
IN_LAKE = "spelt as the lake has it"
"""Marks options whose symbols the lake holds: their letters may be small or capital."""
TAPES = typer.Option(help="Symbol on the tape (with --tape).", metavar="SYM")
TapesSymbol = Annotated[str | None, TAPES, IN_LAKE]
Symbol = Annotated[str, typer.Option(help="Symbol on the tape.", metavar="SYM"), IN_LAKE]
PresetsSymbol = Annotated[
    str, typer.Option(help="Symbol on the tape. Default: the preset's.", metavar="SYM"), IN_LAKE
]
Symbols = Annotated[
    str | None,
    typer.Option(
        help="Symbol on the tape (with --tape); several with commas.", metavar="SYM[,SYM...]"
    ),
    IN_LAKE,
]
Venue = Annotated[
    str, typer.Option(help="Venue on the tape, if several have the symbol.", metavar="VENUE")
]
From = Annotated[
    str, typer.Option("--from", help="Begin at this local time of the exchange.", metavar="HH:MM")
]
To = Annotated[
    str, typer.Option("--to", help="End at this local time of the exchange.", metavar="HH:MM")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace a day that the lake holds with other content.")
]
PRESET = typer.Argument(
    help="Preset market, by name or as a .json file (`tercel market list`).", metavar="PRESET"
)


def share_of(typed: object) -> float:
    """A share from a number or a percentage, as typed.

    >>> share_of("0.02"), share_of("2%"), share_of("2.5 %")
    (0.02, 0.02, 0.025)
    """
    text = str(typed)
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no share: write 0.02 or 2%") from None


def page_folder(name: str) -> Any:
    """Option `--out` of a command that writes a page and its figures as NAME.html and NAME.json."""
    return typer.Option(help=f"Folder for {name}.html and {name}.json.", metavar="DIR")


@dataclass(frozen=True, kw_only=True)
class JsonRequest:
    """Base of requests with the option `--json`; the command's own options come before it."""

    as_json: AsJson = False


def check_date(text: str | None, option: str = "--date") -> None:
    """Raise a ConfigError for a text that is no date YYYY-MM-DD; None passes. `option` is named in the error."""
    if text is None:
        return
    try:
        understood = calendar_date.fromisoformat(text).isoformat() == text
    except ValueError:
        understood = False
    refuse_if(
        not understood,
        "a day of the calendar as YYYY-MM-DD",
        f"{option} {text}",
        "write it as 2012-06-21",
    )


def parse_dates(text: str, option: str = "--date") -> list[str]:
    """Dates of a comma-separated text, as texts; ConfigError for one that is none, which names `option`."""
    dates = split_commas(text)
    for date in dates:
        check_date(date, option)
    return dates


def parse_seeds(text: str) -> list[int]:
    """Base seeds of judged episodes, separated by commas: whole numbers from 0, each once.

    Raises
    ------
    ConfigError
        Anything else; negative seeds belong to training.

    >>> parse_seeds("901, 902")
    [901, 902]
    """
    seed_texts = [seed_text.strip() for seed_text in text.split(",")]
    seeds = [int(seed_text) for seed_text in seed_texts if seed_text.isdecimal()]
    refuse_if(
        len(seeds) < len(seed_texts) or len(set(seeds)) < len(seeds) or max(seeds) >= 2**31,
        "different whole numbers from 0 to 2^31 - 1, separated by commas",
        f"--seeds {text}",
        "such as --seeds 901,902,903; negative ones belong to training",
    )
    return seeds
