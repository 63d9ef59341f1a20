"""Trade, safely: orders, limits, a gate, a journal and the people who watch."""
