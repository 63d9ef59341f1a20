"""Write the pages of docs/reference that the package makes: commands, TOML files, limits, exported days, a View.

python docs/reference_pages.py           # writes them
python docs/reference_pages.py --check   # names those that are not current, and exits with 1
"""

import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
REFERENCE: Final = ROOT / "docs" / "reference"
VIEW: Final = """# The fields of a View

What a strategy sees at a decision, in n markets at once. Every field is an array with one row per market, int64 (n,) unless
stated otherwise. Prices are in ticks, mids in half ticks, sizes in lots, times in ns. `touch` and `far` are prices: with
`anchor=view.touch` the first lots of `rest` rest at the best price of the order's own side.

| field | meaning |
|---|---|
"""
EXPORTED: Final = """# Exported days

`tercel data export FORMAT SYMBOL DATES` writes days of a lake; `tercel data import exported FOLDER` reads them again, to
the same rows. Each day is read back before its files take their place. What a format cannot carry is refused.

| format | files | what has no place in it |
|---|---|---|
| `hftbacktest` | `SYMBOL_DATE.npz`: `data`, its event records; `instrument` | nothing |
| `lobster` | message and orderbook files; `SYMBOL_DATE.json` | kinds above 7, other lots than a share, ticks finer than 0.0001 |
| `nautilus` | `data/order_book_delta`, `data/trade_tick`; `tape/SYMBOL_DATE.parquet` | nothing |
| `parquet` | `SYMBOL_DATE.parquet` | nothing |

A catalog has no place for statuses, flags and messages about unknown orders: `tape` holds the whole day, and is what is
read again. It defines no instrument, as a tape has no currency.

Where all orders have ids, `hftbacktest` and `nautilus` get events of orders: an execution is a trade, the fill of its
order (hftbacktest), and what is left of it. Another day becomes level totals, a trade before them.

In hftbacktest's records `ival` is kind + 16 flags + 128 (side + 1) + 512 lots and `fval` is seq, in one record of each row and 0
in others. Rows without an event there are records of event 0, which its engines pass over. Where times of receipt go back,
a record is there twice: for the exchange and for the trader.

LOBSTER's prices off the tick are written 0.0001 nearer to the touch, those of hidden trades half a tick. A day that
shows all levels has an orderbook file of ten levels, which is not read again.

## Columns of Parquet

"""
_MORE_COLUMNS: Final = """| `price` | float64 | the price in currency; none for STATUS |
| `size` | float64 | the lots in shares, contracts or coins |

The last two are not read again. The file's metadata hold the instrument as JSON, key `tercel_instrument`: a price is
(`price_ticks` + `price_origin`) x `tick`. Flags: 1 opening snapshot, 2 price off the tick, 4 last row of its message. Kinds:

"""
LIMITS: Final = """# Default limits

Hard limits of a desk that names no others. A limit is the largest value that passes. Values are in the currency of prices,
quantities in lots. `tercel limits show-default` prints this as the file to start from; how to see and change limits is on
[the risk gateway's page](../howto/gate.md#limits). *Control* is a row of [the table of controls](controls.md).
"""
SCOPES: Final = {
    "desk": "The desk: all agents and instruments together",
    "instruments": "Each instrument: all agents together",
    "agents": "Each agent: all instruments together",
}


def limits() -> str:
    """Every limit of each scope: its key, packaged value, meaning, and the code of a denial."""
    from tercel.desk.limits.file import format_toml
    from tercel.desk.limits.limit_sets import FIELDS, SECTIONS

    page = [LIMITS]
    for section, scope in SECTIONS.items():
        page += [
            f"\n## {SCOPES[section]}\n",
            "| key | default | meaning | denied as | control |",
            "|---|---|---|---|---|",
        ]
        for key, one in FIELDS[scope].items():
            value = format_toml(one.packaged[section]) if section in one.packaged else ""
            page.append(f"| `{key}` | {value} | {cell(one.text)} | {one.code} | {one.control} |")
    return "\n".join(page) + "\n"


def view() -> str:
    """The fields of a `View`."""
    from tercel.execution.view import fields

    rows = [f"| `{name}` | {cell(text)} |" for name, text in fields().items()]
    return VIEW + "\n".join(rows) + "\n"


def exported() -> str:
    """The formats of exported days, and the columns of one as Parquet."""
    from tercel.core.vocabulary import KIND_NAMES
    from tercel.market.tape import schema

    columns = [line for line in (schema.__doc__ or "").splitlines() if line.startswith("|")]
    kinds = ", ".join(f"{kind} {name}" for kind, name in KIND_NAMES.items())
    return EXPORTED + "\n".join(columns) + "\n" + _MORE_COLUMNS + kinds + ".\n"


def commands() -> str:
    """Every command with its options, as `--help` prints them."""
    import typer

    from tercel.cli.root import app

    page = [
        "# Command line",
        "",
        "Every command, as `tercel COMMAND --help` prints it. Exit codes: 0 done; 1 a check failed;",
    ]
    page += [
        "2 a usage error or bad input; 130 stopped by Ctrl-C. `--json` prints one object and nothing else.",
        "",
    ]

    def walk(command: Any, words: str) -> None:
        inner = getattr(command, "commands", None)
        if inner is not None:
            if words:
                page.extend([f"## tercel {words}", "", str(command.help or ""), ""])
            if words and command.invoke_without_command:
                options(command)
            for name, one in inner.items():
                if not one.hidden:
                    walk(one, f"{words} {name}".strip())
            return
        page.extend(
            [
                f"{'##' if ' ' not in words else '###'} tercel {words}",
                "",
                (command.help or "").split("\f")[0],
                "",
            ]
        )
        options(command)

    def options(command: Any) -> None:
        if command.epilog:
            page.extend(["```sh", command.epilog.removeprefix("Example: "), "```", ""])
        rows = [row(one) for one in command.params if not getattr(one, "hidden", False)]
        if rows:
            page.extend(["| option | meaning | default |", "|---|---|---|", *rows, ""])

    walk(typer.main.get_command(app), "")
    return "\n".join(page)


def row(parameter: Any) -> str:
    """A line of a command's table."""
    names = (
        parameter.opts
        if parameter.param_type_name == "option"
        else [parameter.metavar or parameter.name]
    )
    default = (
        "required"
        if parameter.required
        else ""
        if parameter.default in (None, False, "")
        else parameter.default
    )
    name = ", ".join(f"`{one}`" for one in names)
    if parameter.param_type_name == "option" and parameter.metavar:
        name += f" `{parameter.metavar}`"
    about = (getattr(parameter, "help", "") or "").replace("\\[", "[")
    return "| " + " | ".join(cell(one) for one in (name, about, default)) + " |"


def cell(value: Any) -> str:
    """Text inside a table: no line breaks, no bars."""
    return str(value).replace("\n", " ").replace("|", "&#124;").replace("<", "&lt;")


def schemas() -> str:
    """Every key of the TOML files that people write."""
    from tercel.cli.config import kinds, schemas as found

    page = [
        "# Files in TOML",
        "",
        "`tercel config check FILE` checks a file; `tercel config schema` writes these schemas for an editor",
    ]
    page += [
        "([how](../howto/tables.md)). Every key with its type, its default and what it means:",
        "",
    ]
    for kind, schema in found().items():
        about = kinds()[kind][0]
        page += [f"## {about[0].upper()}{about[1:]}: `{kind}`", ""]
        inner = schema.get("$defs", {})
        for name, part in [("", schema), *inner.items()]:
            text = part.get("description", "")
            meanings = parameter_texts(text)
            rows = [
                key_row(key, {"description": meanings.get(key, "")} | one)
                for key, one in part.get("properties", {}).items()
            ]
            if rows:
                about = text.split("\n")[0]
                page += [f"**{name}** {about}" if name else "The whole file:", ""]
                page += ["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join(page)


def parameter_texts(docstring: str) -> dict[str, str]:
    """What a docstring in numpy's style says of each parameter; of those without a text nothing."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=\n\n|\Z)", docstring, re.DOTALL | re.MULTILINE)
    entries = re.split(r"^(?=\S)", section[1] if section else "", flags=re.MULTILINE)
    texts = [entry.partition("\n") for entry in entries if "\n " in entry]
    return {
        name: " ".join(text.split())
        for names, _, text in texts
        for name in names.split(" :")[0].split(", ")
    }


def key_row(key: str, part: dict[str, Any]) -> str:
    """A line of a section's table."""
    default = (
        json.dumps(part["default"])
        if "default" in part and not isinstance(part["default"], dict)
        else ""
    )
    return (
        "| "
        + " | ".join(
            cell(one) for one in (f"`{key}`", kind(part), default, part.get("description", ""))
        )
        + " |"
    )


def kind(part: dict[str, Any]) -> str:
    """A type in words."""
    if "$ref" in part:
        return str(part["$ref"]).rsplit("/", 1)[1]
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(kind(one) for one in part["anyOf"]))
    if "enum" in part or "const" in part:
        return ", ".join(json.dumps(one) for one in part.get("enum", [part.get("const")]))
    if part.get("type") == "array":
        return f"list of {kind(part.get('items', {}))}" if part.get("items") else "list"
    name = part.get("type", "any")
    return " or ".join(name) if isinstance(name, list) else str(name)


def pages() -> dict[str, str]:
    """Markdown of each page by its name. Commands of other packages are left out, whether they are installed or not."""
    found = metadata.entry_points
    metadata.entry_points = lambda **names: (
        () if names.get("group") == "tercel.commands" else found(**names)
    )  # type: ignore[assignment, misc]
    try:
        made = {
            "commands": commands(),
            "exported": exported(),
            "files": schemas(),
            "limits": limits(),
            "view": view(),
        }
    finally:
        metadata.entry_points = found
    return {f"{name}.md": f"{text.rstrip()}\n" for name, text in made.items()}


def main() -> int:
    """Write the pages, or with `--check` name those that differ; exit code."""
    stale = [
        name
        for name, text in pages().items()
        if not (REFERENCE / name).is_file()
        or (REFERENCE / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        sys.stdout.write("".join(f"{name}\n" for name in stale))
        return 1 if stale else 0
    for name in stale:
        (REFERENCE / name).write_text(pages()[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    raise SystemExit(main())
