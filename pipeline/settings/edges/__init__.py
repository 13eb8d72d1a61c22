"""Who may connect to the receiver, where calls may go, and where data may be: what the settings say of it."""
