"""Queue-reactive flow: event rates depend on the state of the book."""
