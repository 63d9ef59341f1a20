"""The Hawkes flow: events excite events."""
