"""What MkDocs builds beside the written pages: notebooks and the project's own files."""

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
