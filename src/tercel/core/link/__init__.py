"""What FIX sessions and other venues share: connections, sent orders, prices on the wire, the displayed book."""
