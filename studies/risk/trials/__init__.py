"""Models on trial: on real series or a synthetic market, against what came, each a few tables with their pictures."""
