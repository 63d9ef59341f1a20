"""What each named regime does to a market."""
