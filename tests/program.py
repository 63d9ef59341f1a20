"""The command line as a process of its own that hears Ctrl-C, however the tests themselves were started."""

import sys

COMMAND = (
    sys.executable,
    "-c",  # a job in the background is started without Ctrl-C, and so is what it starts
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "sys.argv[0] = 'tercel'; from tercel.cli import main; main()",
)
