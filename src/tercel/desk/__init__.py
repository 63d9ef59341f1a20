"""Order management: parent orders, limits, a gate, a journal and a console."""
