"""Where orders go: exchanges of our own and other people's, each behind the port `Venue`."""
