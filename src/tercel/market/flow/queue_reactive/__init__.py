"""The queue-reactive flow: rates of events depend on the state of the book."""
