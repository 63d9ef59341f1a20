"""The console's service: login, permissions, and the HTTP routes of all that a page shows or does."""
