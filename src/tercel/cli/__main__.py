"""`python -m tercel.cli`."""

from tercel.cli.root import main

main()
