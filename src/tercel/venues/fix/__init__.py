"""FIX 4.4 on both sides, on QuickFIX (the extra `[fix]`): a server before any venue, a venue behind any such server."""
