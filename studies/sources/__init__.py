"""Signal sources for one public data set each, by the names that configurations call them."""
