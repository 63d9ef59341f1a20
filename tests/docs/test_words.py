"""The pages are short, plain and true to the command line: words, paragraphs, phrases, options, anchors."""

import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

import tercel
from docs import execute, measure
from tercel.cli.root import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = {f"reference/{name}.md" for name in ("commands", "exported", "files", "limits", "view")}
"""Pages that `docs/reference_pages.py` writes."""
PAGES = sorted(page for page in DOCS.rglob("*.md") if str(page.relative_to(DOCS)) not in REFERENCE)
PROSE = [*PAGES, ROOT / "README.md"]
LINKED = [
    *PROSE,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "web/README.md")),
    *(
        page
        for name in ("certify", "exchange", "hosts", "replications", "src", "studies")
        for page in (ROOT / name).rglob("*.md")
    ),
]
GENERATED = {
    "contributing.md",
    "changelog.md",
    *(f"notebooks/{path.stem}.md" for path in DOCS.glob("notebooks/*.ipynb")),
    *(f"packages/{path.parent.name}.md" for path in ROOT.glob("src/tercel/*/README.md")),
}
"""Pages that `docs/hooks.py` generates."""
PLUG_INS = {"acme"}
"""Commands that a page's own package adds."""
SHELLS = ("sh", "bash", "console")
SPLIT = re.compile(r"\s(?:\||&&|;)\s|;\s|\s\|$|\s&$|\s>\s")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_the_site_has_at_most_48_000_words() -> None:
    assert sum(len(text_of(page).split()) for page in PAGES) <= 48_000


def test_no_page_has_a_phrase_that_only_insiders_know() -> None:
    found = [
        f"{name_of(page)}: {one.group(0)}"
        for page in PROSE
        for part in measure.prose(text_of(page))
        for one in measure.PHRASES.finditer(part)
    ]
    assert found == []


def test_no_paragraph_of_a_recipe_or_a_concept_is_above_90_words() -> None:
    pages = [*DOCS.glob("howto/*.md"), *DOCS.glob("concepts/*.md"), DOCS / "design.md"]
    found = [
        f"{name_of(page)}: {part[:60]}"
        for page in pages
        for part in measure.prose(text_of(page))
        if len(part.split()) > 90
    ]
    assert found == []


SHORT = [
    page
    for page in PROSE
    if page.parent.name in ("howto", "concepts", "results", "tutorials")
    or name_of(page) in ("README.md", "docs/index.md", "docs/design.md", "docs/gallery.md")
]
"""Pages that are read from top to bottom: their sentences are short."""
CONCEPTS = [DOCS / "design.md", *sorted(DOCS.glob("concepts/*.md"))]
FOUR = ["What it does", "How it works", "What it does not do", "Where the code is"]


def section(text: str, heading: str) -> str:
    """What stands under a heading of the second level.

    >>> section("# A\\n## B\\none\\n### C\\ntwo\\n## D\\n", "B")
    'one\\n### C\\ntwo'
    """
    plain = re.split(r"^## (.+?) *$", text, flags=re.M)
    return dict(zip(plain[1::2], plain[2::2], strict=True))[heading].strip()


def bare(text: str) -> str:
    """A page without what its fences hold: comments of a shell look like headings."""
    return re.sub(r"^(```\w*)[^\n]*\n.*?^```", r"\1\n```", text, flags=re.M | re.S)


def test_no_table_outside_results_and_reference_is_above_15_rows() -> None:
    found = [
        f"{name_of(page)}: {rows} rows"
        for page in PROSE
        if page.parent.name not in ("results", "reference")
        for rows in measure.tables(text_of(page))
        if rows > 15
    ]
    assert found == []


def test_no_sentence_is_above_30_words() -> None:
    found = [
        f"{name_of(page)}: {one}"
        for page in SHORT
        for one in measure.sentences(measure.prose(text_of(page)))
        if len(one.split()) > 30
    ]
    assert found == []


@pytest.mark.parametrize("page", CONCEPTS, ids=lambda page: page.stem)
def test_a_concept_has_a_picture_and_four_sections(page: Path) -> None:
    text = text_of(page)
    assert re.findall(r"^## (.+?) *$", bare(text), re.M) == FOUR
    before = bare(text).partition("\n## ")[0]
    assert re.search(r"^(```text\n```|!\[[^\]]+\]\([^)]+\))\n\n\*[^*]", before, re.M)
    words = len(" ".join(measure.prose(section(bare(text), FOUR[0]))).split())
    assert 50 <= words <= 120, words


@pytest.mark.parametrize(
    "page", sorted(DOCS.glob("howto/*.md")), ids=lambda page: f"howto-{page.stem}"
)
def test_a_recipe_begins_with_its_command(page: Path) -> None:
    before = text_of(page).partition("\n## ")[0]
    assert re.search(r"^```(sh|bash|console)\n\S|^    (tercel|python|make) ", before, re.M)


@pytest.mark.parametrize(
    "page", sorted(DOCS.glob("results/*.md")), ids=lambda page: f"result-{page.stem}"
)
def test_a_result_has_question_answer_command_table_and_caveats(page: Path) -> None:
    text = text_of(page)
    assert re.match(r"# .+\?\n\n\*\*Answer\.\*\* ", text)
    answer = measure.prose(text)[0]
    first = re.split(r"(?<=\.) (?=[A-Z])", answer)[1]  # behind "Answer."
    assert re.search(r"\[[^\]]*\d[^\]]*\]|\bt \d", first) or "no interval" in answer, first
    assert "\n## Caveats\n" in text
    shown = re.search(r"^    (tercel|python|pip) ", text, re.M)
    table = re.search(r"^\|", text, re.M)
    assert shown
    assert table
    assert shown.start() < table.start()
    assert len(measure.tables(text)) == 1


def captions(text: str) -> list[tuple[str, str]]:
    """Each picture of a page with the words that stand below it.

    >>> captions("![one](a.svg)\\n\\n*See this\\nand that.*\\n\\n![two](b.svg)\\n<figcaption>Look.</figcaption>\\n")
    [('a.svg', 'See this and that.'), ('b.svg', 'Look.')]
    """
    found = []
    for match in re.finditer(r"!\[[^\]]*\]\(([^)]+)\)\s*", text):
        after = text[match.end() :]
        said = re.match(r"\*([^*].*?)\*\s*(?:\n\n|$)|<figcaption>(.*?)</figcaption>", after, re.S)
        words = (said[1] or said[2]) if said else ""
        found.append((match[1], " ".join(words.split())))
    return found


def test_every_picture_has_a_caption_that_says_what_to_see() -> None:
    shown = [(name_of(page), *one) for page in PROSE for one in captions(text_of(page))]
    assert len(shown) > 20
    assert [one for one in shown if len(one[2].split()) < 6] == []


@pytest.mark.parametrize("path", sorted(DOCS.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_every_plot_of_a_notebook_has_a_caption(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell, after in itertools.pairwise(cells):
        if ".plot" in "".join(cell["source"]):
            assert after["cell_type"] == "markdown"
            assert "".join(after["source"]).startswith("*"), "".join(cell["source"])
    assert ".plot" not in "".join(cells[-1]["source"])


def test_the_front_page_has_a_picture_one_block_of_code_and_the_eight_tasks() -> None:
    page, readme = text_of(DOCS / "index.md"), text_of(ROOT / "README.md")
    assert len(captions(page)) == len(captions(readme)) == 1
    assert len(execute.blocks(page)) == 1
    assert measure.tables(page) == [8]
    assert len(measure.tables(readme)) == 1
    assert f"version {tercel.__version__}" in " ".join(page.split())


def test_the_glossary_has_at_most_80_terms_and_each_once() -> None:
    rows = re.findall(r"^\| ([^|]+?) \|", text_of(DOCS / "reference" / "glossary.md"), re.M)[1:]
    terms = [re.sub(r" \(.*", "", one).casefold() for one in rows]
    assert 40 <= len(terms) <= 80
    assert terms == sorted(set(terms))


def typed(text: str) -> Iterator[str]:
    """Commands of `tercel` that a page shows: in fenced blocks of a shell and in indented ones.

    >>> list(typed("```sh\\ntercel run --quick | jq .  # one\\n```\\n\\n    tercel data list\\n\\nand `tercel x`\\n"))
    ['tercel run --quick', 'tercel data list']
    """
    shown = []
    for block in execute.blocks(text):
        if block.language == "console":
            shown += execute.commands(block.text)
        elif block.language in SHELLS:
            shown += re.sub(r"\\\n\s*", " ", block.text).splitlines()
    plain = re.sub(r"\\\n\s*", " ", execute.FENCE.sub("", text))
    shown += re.findall(r"^ {4}(?:\$ )?(\S.*)$", plain, re.MULTILINE)
    for line in shown:
        for part in SPLIT.split(re.sub(r"\\\n\s*", " ", line).partition(" #")[0]):
            if part.strip().startswith("tercel "):
                yield part.strip()


@cache
def command_line() -> Any:
    return typer.main.get_command(app)


def wrong(command: str) -> str:
    """What is wrong with a command line: a word that is no command, an option that is not there.

    >>> wrong("tercel run --quick --out=x"), wrong("tercel agent evaluate default --nothing")
    ('', 'agent evaluate has no --nothing')
    >>> wrong("tercel market nothing")
    'no command nothing'
    """
    words = shlex.split(command.replace("'", "") if command.count("'") % 2 else command)[1:]
    one, path = command_line(), []
    while words and getattr(one, "commands", None):
        if words[0] not in one.commands:
            if words[0] in PLUG_INS or words[0].startswith(("-", "[", "…", "...")):
                return ""
            if one.invoke_without_command or words[0].isupper():
                break
            return f"no command {words[0]}"
        path.append(words[0])
        one = one.commands[words.pop(0)]
    known = {"--help", "--version"}
    for parameter in one.params:
        known |= {*parameter.opts, *parameter.secondary_opts}
    for word in words:
        name = word.strip("[]").partition("=")[0]
        if name == "--":
            break
        if re.fullmatch(r"--[a-z][\w-]*|-[a-zA-Z]", name) and name not in known:
            return f"{' '.join(path)} has no {name}"
    return ""


def test_commands_of_pages_have_the_options_that_are_shown() -> None:
    shown = [(page, one) for page in PROSE for one in typed(text_of(page))]
    assert len(shown) > 100
    found = [f"{name_of(page)}: {one}: {said}" for page, one in shown if (said := wrong(one))]
    assert found == []


def anchor(heading: str) -> str:
    """The address of a heading, as the site makes it.

    >>> anchor("What a `View` says: [now](x.md), and later")
    'what-a-view-says-now-and-later'
    """
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


@cache
def anchors(page: Path) -> frozenset[str]:
    text = execute.FENCE.sub("", text_of(page))
    found = {anchor(re.sub(r"\*", "", one)) for one in re.findall(r"^#+ (.+?)\s*$", text, re.M)}
    return frozenset(found)


def test_links_of_every_page_lead_somewhere() -> None:
    link = re.compile(r"\]\(([^)#\s:]*)(?:#([^)\s]+))?\)")
    found = []
    for page in LINKED:
        for target, place in link.findall(execute.FENCE.sub("", text_of(page))):
            there = (page.parent / target).resolve() if target else page
            generated = str(there).removeprefix(f"{DOCS}/") in GENERATED
            gone = not there.exists() and not generated and target != "..."
            if gone or (
                place and there.suffix == ".md" and not generated and place not in anchors(there)
            ):
                found.append(f"{name_of(page)}: {target}#{place}")
    assert found == []


def test_the_pages_that_the_package_makes_are_current() -> None:
    check = [sys.executable, str(DOCS / "reference_pages.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), "run python docs/reference_pages.py"


def test_the_machinery() -> None:
    import doctest

    assert doctest.testmod(sys.modules[__name__]).failed == 0
    assert doctest.testmod(measure).failed == 0
