"""Who may not be deleted or not be used, and which entries of the ledger the database knows."""
