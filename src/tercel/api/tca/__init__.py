"""Cost analysis of somebody's own fills, and of strategies on the same orders."""
