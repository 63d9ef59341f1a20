"""The point-in-time panel (:mod:`.panel`, with Polars) and the sets that models are fitted to (:mod:`.dataset`)."""
