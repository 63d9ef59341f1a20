"""FIX 4.2 and 4.4: any acceptor as a venue (`profiles`); what an acceptor says is in the distribution tercel-exchange."""
