"""`python -m tercel`."""

from tercel.cli import main

main()
