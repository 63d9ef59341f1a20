"""The console of a desk: read model, alerts, charts, operators' actions and metrics of its page."""
