"""`python -m tercel.cli`."""

from tercel.cli import main

main()
