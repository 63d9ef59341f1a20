"""Colours of charts on light and dark paper, Matplotlib's settings, and the CSS variables of both papers."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LEARNED = ("ppo", "dqn")
"""Trained policies: drawn stronger, named first."""


# The one look: colours by name, for light and dark, and the Matplotlib settings that use them.
#
# A figure is drawn once and shown on light and on dark paper. So Matplotlib draws with *tokens*, reserved colours that
# no other drawing uses, and the finished SVG has each replaced by a CSS variable with the light colour as its fallback
# (``var(--ink, #1f2430)``). A page sets the variables; a figure opened alone is light.
#
# The series colours start from Okabe and Ito (2008), "Color universal design": they stay apart for colour-blind readers.
# Darker on light paper and lighter on dark, so that each keeps a contrast of 3:1 to its background (WCAG 2.2, 1.4.11).
@dataclass(frozen=True)
class Colour:
    """A named colour: a token that Matplotlib draws with, replaced by a colour for light and for dark paper."""

    name: str
    token: str
    light: str
    dark: str

    @property
    def css(self) -> str:
        """The colour's CSS variable.

        >>> INK.css
        'var(--ink, #1f2430)'
        """
        return f"var(--{self.name}, {self.light})"


INK = Colour("ink", "#010001", "#1f2430", "#e6e9ef")
"""Text, axes, marks."""
SOFT = Colour("soft", "#010002", "#5d6575", "#a3abba")
"""Text and lines of second rank."""
RULE = Colour("rule", "#010003", "#d9dde5", "#363c4a")
"""Grid and borders."""
PAPER = Colour("paper", "#010004", "#ffffff", "#14171e")
"""The background."""
BUY = Colour("buy", "#010101", "#1769aa", "#6cb6f5")
SELL = Colour("sell", "#010102", "#b3521a", "#f0a06a")
GOOD = Colour("good", "#010103", "#1a7f4b", "#56c98a")
BAD = Colour("bad", "#010104", "#b3261e", "#f08a80")
SERIES = (
    Colour("s0", "#010201", "#c2410c", "#fb923c"),  # vermilion
    Colour("s1", "#010202", "#0b69b7", "#56b4e9"),  # blue
    Colour("s2", "#010203", "#00795a", "#2fc597"),  # bluish green
    Colour("s3", "#010204", "#a3407f", "#e68fc0"),  # reddish purple
    Colour("s4", "#010205", "#8a6500", "#e6b422"),  # yellow, darkened
    Colour("s5", "#010206", "#5146b5", "#a79df5"),  # indigo
    Colour("s6", "#010207", "#0c7c8c", "#4fc7d6"),  # teal
    Colour("s7", "#010208", "#7a4a2b", "#cf9a75"),  # brown
    Colour("s8", "#010209", "#5b7a10", "#a9cc4a"),  # olive
    Colour("s9", "#01020a", "#6b7280", "#9ca3af"),  # grey
)
COLOURS: tuple[Colour, ...] = (INK, SOFT, RULE, PAPER, BUY, SELL, GOOD, BAD, *SERIES)
COMPONENTS: Mapping[str, Colour] = {
    "spread_bps": SERIES[1],
    "impact_bps": SERIES[0],
    "timing_bps": SERIES[9],
    "forced_bps": SERIES[3],
    "fees_bps": SERIES[4],
}
"""The parts that implementation shortfall is the sum of, in the order in which they are shown."""
KNOWN_COLOURS: Mapping[str, Colour] = {
    "ppo": SERIES[0],
    "dqn": SERIES[1],
    "twap_take": SERIES[5],
    "twap_passive": SERIES[2],
    "vwap_take": SERIES[7],
    "vwap_passive": SERIES[8],
    "submit_and_leave": SERIES[3],
}
"""Strategies that keep their colour from figure to figure, whatever else is shown."""


def series_colours(names: Iterable[str], highlighted: Collection[str] = ()) -> dict[str, Colour]:
    """A colour for each strategy name: the first colours for `highlighted`, fixed ones for known names, free ones for
    the rest.

    >>> [colour.name for colour in series_colours(["ppo", "mine", "yours"]).values()]
    ['s0', 's1', 's2']
    >>> [colour.name for colour in series_colours(["pov", "mine", "twap_take"], ["mine"]).values()]
    ['s1', 's0', 's5']
    """
    names = list(names)
    own_colours = dict(zip((name for name in names if name in highlighted), SERIES, strict=False))
    assigned = own_colours | {
        name: KNOWN_COLOURS[name]
        for name in names
        if name in KNOWN_COLOURS and name not in highlighted
    }
    free = [
        colour for colour in (*SERIES[1:9], SERIES[0], SERIES[9]) if colour not in assigned.values()
    ] or [SERIES[9]]
    unassigned = [name for name in names if name not in assigned]
    return {name: assigned.get(name) or free[unassigned.index(name) % len(free)] for name in names}


def dashes(colours: Mapping[str, Colour]) -> dict[str, str]:
    """A line style for each name: solid, and other styles for further names of the same colour.

    >>> dashes({"pov": INK, "random": INK, "ppo": SOFT})
    {'pov': '-', 'random': '--', 'ppo': '-'}
    """
    kinds = ("-", "--", ":", "-.")
    names = list(colours)
    repeats = [
        sum(colours[earlier] == colours[name] for earlier in names[:i])
        for i, name in enumerate(names)
    ]
    return {name: kinds[count % len(kinds)] for name, count in zip(names, repeats, strict=True)}


def is_learned(name: str) -> bool:
    """Whether `name` is a trained policy: ``ppo``, ``dqn`` and their variants.

    >>> is_learned("ppo"), is_learned("twap_take"), is_learned("ppo_seed2")
    (True, False, True)
    """
    return name.split("_", maxsplit=1)[0] in LEARNED


MATPLOTLIB: Mapping[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and takes the page's font
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK.token,
    "axes.labelcolor": SOFT.token,
    "axes.labelsize": 9.5,
    "axes.edgecolor": SOFT.token,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": RULE.token,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT.token,
    "ytick.color": SOFT.token,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "text.color": INK.token,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}


def css_variables() -> str:
    """CSS variables of all colours: for light paper, and for dark where the reader's system asks for it."""

    def block(dark: bool) -> str:
        """CSS declarations of all colours for one paper."""
        return " ".join(f"--{c.name}: {c.dark if dark else c.light};" for c in COLOURS)

    return (
        f":root {{ color-scheme: light dark; {block(False)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {block(True)} }} }}"
    )
