"""What MkDocs builds beside the written pages: notebooks, the project's own files, commands and schemas."""

import json
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "src")]

import notebook  # noqa: E402 - beside this file

PACKAGES: Final = {
    f"src/tercel/{path.parent.name}/README.md": f"packages/{path.parent.name}.md"
    for path in sorted((ROOT / "src" / "tercel").glob("*/README.md"))
}
PROJECT: Final = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", **PACKAGES}
SHIM: Final = "https://unpkg.com/iframe-worker/shim"
VIEW: Final = """# The fields of a View

What a strategy sees at a decision, in n markets at once. Every field is an array with one row per market, int64 (n,) unless
stated otherwise. Prices are in ticks, mids in half ticks, sizes in lots, times in ns. `touch` and `far` are prices: with
`anchor=view.touch` the first lots of `rest` rest at the best price of the order's own side.

| field | meaning |
|---|---|
"""
LIMITS: Final = """# Default limits

Hard limits of a desk that names no others. A limit is the largest value that passes. Values are in the currency of prices,
quantities in lots. `tercel limits show-default` prints this as the file to start from; how to see, change and add limits is on
[the risk gateway's page](../howto/gate.md#limits).
"""
SCOPES: Final = {
    "desk": "The desk: all agents and instruments together",
    'instruments."*"': "Each instrument: all agents together",
    'agents."*"': "Each agent: all instruments together",
}
LINK: Final = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)")


def on_config(config: Any, **_: Any) -> Any:
    """Say in the footer of every page which version it documents."""
    from tercel import __version__

    config.copyright = (
        f"Tercel {__version__}, with the examples of this version. {config.copyright}"
    )
    return config


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the pages that are made."""
    for name, page in made():
        files.append(File.generated(config, name, content=page))
    return files


def on_page_markdown(markdown: str, page: Any = None, **_: Any) -> str:
    """Lead to the site where a page leads to the repository, let a picture open in full where it is pressed, and leave
    out what only `execute.py` reads."""
    if page is not None and page.file.src_uri not in PROJECT.values():
        folder = posixpath.dirname(page.file.src_uri)
        markdown = relinked(markdown, posixpath.join("docs", folder), folder)
    markdown = re.sub(r"(?<!\[)!\[[^\]]*\]\(([^)\s]+)\)", r"[\g<0>](\1)", markdown)
    return re.sub(
        r"^<!-- (data|needs|port|peer|digits vary).*-->\n", "", markdown, flags=re.MULTILINE
    )


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Take the one script that the theme would fetch from elsewhere from the site itself."""
    del config
    return output.replace(SHIM, "../" * page.url.count("/") + "theme/iframe-worker.js")


def on_post_template(output_content: str, **_: Any) -> str:
    """The same for the page that says that a page is missing."""
    return output_content.replace(SHIM, "/theme/iframe-worker.js")


def on_post_build(config: Any) -> None:
    """Refuse a site that fetches anything from elsewhere."""
    for page in Path(config["site_dir"]).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        found = re.findall(
            r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=.?https?://[^ >]*", text
        )
        if found:
            raise SystemExit(f"{page} fetches from elsewhere: {found[0]}")


def made() -> Iterator[tuple[str, str]]:
    """Path of each page and its Markdown."""
    for name, page in PROJECT.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        yield page, relinked(text, posixpath.dirname(name), posixpath.dirname(page))
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        yield (
            f"notebooks/{path.stem}.md",
            notebook.markdown(json.loads(path.read_text(encoding="utf-8")), path.name),
        )
    yield "reference/commands.md", commands()
    yield "reference/files.md", schemas()
    yield "reference/limits.md", limits()
    yield "reference/view.md", view()


def relinked(text: str, there: str, here: str) -> str:
    """A text whose links count from a folder of the repository, for a folder of the site.

    What is not on the site is named by its path.

    >>> relinked("[a](../docs/x.md#b) [c](README.md)", "src", "packages")
    '[a](../x.md#b) [c](README.md)'
    >>> relinked("[r](../../studies/README.md) and [d](desk.md)", "docs/howto", "howto")
    'r (`studies/README.md`) and [d](desk.md)'
    """

    def link(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        path = posixpath.normpath(posixpath.join(there, target))
        page = PROJECT.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else "")
        page = re.sub(r"\.ipynb$", ".md", page)
        if page:
            return f"[{label}]({posixpath.relpath(page, here or '.')}{anchor})"
        if not (ROOT / path).exists():
            return found[0]
        return label if label.strip("`") == path else f"{label} (`{path}`)"

    return LINK.sub(link, text)


def limits() -> str:
    """Every limit of the packaged file: its key, value, and the comment beside it."""
    text = (ROOT / "src" / "tercel" / "desk" / "limits" / "default.toml").read_text(
        encoding="utf-8"
    )
    text = re.sub(r"\n[ ]{20,}# *", " ", text)  # join comments of several lines
    page = [LIMITS]
    for line in text.splitlines():
        if head := re.match(r"\[(.+?)\]", line):
            page += [f"\n## {SCOPES[head[1]]}\n", "| key | default | meaning |", "|---|---|---|"]
        elif key := re.match(r"(\w+) = (.+?) +# (.+)", line):
            page.append(f"| `{key[1]}` | {key[2]} | {cell(key[3])} |")
    return "\n".join(page) + "\n"


def view() -> str:
    """The fields of a `View`."""
    from tercel.execution.view import fields

    rows = [f"| `{name}` | {cell(text)} |" for name, text in fields().items()]
    return VIEW + "\n".join(rows) + "\n"


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
            rows = [key_row(key, one) for key, one in part.get("properties", {}).items()]
            if rows:
                about = part.get("description", "").split("\n")[0]
                page += [f"**{name}** {about}" if name else "The whole file:", ""]
                page += ["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join(page)


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
