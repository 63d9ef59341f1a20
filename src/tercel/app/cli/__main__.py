"""`python -m tercel.app.cli`."""

from tercel.app.cli import main

main()
