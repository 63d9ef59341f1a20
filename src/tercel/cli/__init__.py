"""The command line: a module for the commands of each package, joined in `root`.

What another package's commands are made of is offered here: :class:`PluginCommands`, the requests that they extend,
types of options, and tables on a terminal.
"""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
