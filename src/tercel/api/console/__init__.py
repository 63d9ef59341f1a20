"""The console's service: who a person is, what each may do, and HTTP for all that a page shows or does."""
