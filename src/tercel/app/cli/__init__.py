"""The command line: a file for every room's commands, joined in `root`."""

from tercel.app.cli.root import app, main
from tercel.app.cli.shared import told

__all__ = ["app", "main", "told"]
