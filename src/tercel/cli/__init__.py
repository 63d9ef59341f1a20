"""The command line: a file for every room's commands, joined in `root`."""

from tercel.cli.root import app, main
from tercel.cli.shared import reported

__all__ = ["app", "main", "reported"]
