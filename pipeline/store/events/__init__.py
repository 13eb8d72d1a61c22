"""What sources sent, and what became of it: leases, quarantine, balance, cursors."""
