"""Live trading: parent and child orders, the gateway, the journal, recovery, trading states."""
