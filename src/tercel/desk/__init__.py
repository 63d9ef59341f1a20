"""Trade, safely: orders, limits, a gate, a journal, venues and the people who watch."""
