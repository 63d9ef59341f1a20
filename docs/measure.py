"""Words, reading grade and shape of the pages of this folder.

    pip install textstat==0.7.3         # 0.7.3 needs no download of its own
    python docs/measure.py              # every page, and the sum
    python docs/measure.py docs/howto/fix.md

Words are those of `wc -w`. The grade is Flesch-Kincaid of prose alone: no code, tables, headings, links' addresses. Printed
for each page: words, grade, paragraphs above 90 words, sentences above 30, tables above 15 rows, and phrases that only
insiders know.
"""

import re
import statistics
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
PHRASES: Final = re.compile(
    r"\b(can(not)? be told|told (apart|from)|nobody|half-turns?|dearer|dearest|kind bound|strict bound|picked off"
    r"|answers back|in the place of|runs of before|wings?|lights|zoo|who (mostly )?rests?|written (strateg|rule)"
    r"|judged against|goes on|stands? (still|for itself)|whoever|anew|found nobody|the road|left the card"
    r"|what is (asked|held|kept|told|known|learned|found)|where there is none|is such a|the way was|in money"
    r"|up from|knows nothing of|say(s)? the verdict|at hand|by hand of|leaves? word|a row an? \w+|counts nothing"
    r"|(agents?|polic(y|ies)|learners?) that ships?|as it should be|worked again|hashes without a key|put a wall"
    r"|complete words|found here is found|save nothing|wants to pay little|outside its limits|take the intervals"
    r"|things? needs? a person|look into|hand(ed)? on|what came of it|who learned|who is filled"
    r"|(a|the|its|their|no) postures?|posture (of|by hand)|in the hands of|had it in hand|desk's program|program's first"
    r"|works? (them|(its|the) parents) again|(column|line|number|panel) an? (date|day|market|name|symbol))\b",
    re.IGNORECASE,
)
"""Phrases of people who wrote the code; the field has a term for each."""


def prose(text: str) -> list[str]:
    """Paragraphs and items of a page: without code, tables, headings, marks.

    >>> prose("# Title\\n\\nOne [word](there.md) and `code`.\\n\\n| a |\\n|---|\\n")
    ['One word and code.']
    """
    text = re.sub(r"^(```|~~~).*?^\1[ ]*$", "", text, flags=re.M | re.S)
    text = (
        re.sub(r"^---\n.*?^---\n", "", text, count=1, flags=re.M | re.S)
        if text.startswith("---")
        else text
    )
    text = re.sub(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)", "", text, flags=re.S)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    found = []
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text):
        if all(one.startswith("    ") for one in part.splitlines() if one.strip()):
            continue  # a block of code
        lines = [one.strip() for one in part.splitlines()]
        lines = [one for one in lines if one and not re.match(r"[|#<!>]|:::|\?\?\?", one)]
        words = re.sub(r"[`*_]|^(?:[-*]|\d+\.) ", "", " ".join(lines)).strip()
        if words:
            found.append(words)
    return found


def sentences(paragraphs: list[str]) -> list[str]:
    """Sentences of paragraphs."""
    return [one for each in paragraphs for one in re.split(r"(?<=[.!?:;])\s+(?=[A-Z`\"(])", each)]


def tables(text: str) -> list[int]:
    """Rows of each table, its head not counted."""
    return [len(one.strip().splitlines()) - 2 for one in re.findall(r"(?:^\|.*\n?)+", text, re.M)]


def main(words: list[str]) -> None:
    """Print a line a page."""
    import textstat

    pages = [Path(one).resolve() for one in words] or sorted(HERE.rglob("*.md"))
    grades, total = [], 0
    sys.stdout.write(
        f"{'words':>6} {'grade':>6} {'long paragraphs':>16} {'sentences':>10} {'tables':>7}  page: phrases\n"
    )
    for page in pages:
        text = page.read_text(encoding="utf-8")
        parts = prose(text)
        grade = float(textstat.flesch_kincaid_grade("\n".join(parts))) if parts else 0.0
        grades.append(grade)
        total += len(text.split())
        long = sum(len(one.split()) > 90 for one in parts)
        wordy = sum(len(one.split()) > 30 for one in sentences(parts))
        wide = sum(rows > 15 for rows in tables(text))
        said = ", ".join(
            sorted({one.group(0).lower() for part in parts for one in PHRASES.finditer(part)})
        )
        sys.stdout.write(
            f"{len(text.split()):6} {grade:6.1f} {long:16} {wordy:10} {wide:7}  {page.relative_to(HERE.parent)}: {said}\n"
        )
    sys.stdout.write(
        f"{total:6} words on {len(pages)} pages; grade {statistics.median(grades):.1f} at the median, {max(grades):.1f} at most\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
