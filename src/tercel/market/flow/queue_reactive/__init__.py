"""The queue-reactive flow: events weigh what the book looks like."""
