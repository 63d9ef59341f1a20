"""Two legs in two simulated markets: what a pair costs beside rules that anybody would write."""
