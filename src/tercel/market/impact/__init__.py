"""Market impact: effect of own trades on prices beyond the lots they take."""
