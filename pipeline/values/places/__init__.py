"""Countries, states, addresses, languages."""
