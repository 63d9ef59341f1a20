"""`python -m tercel`."""

from tercel.cli.root import main

main()
