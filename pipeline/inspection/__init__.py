"""What people ask: a lead's or person's story, rows to export, trials of a file. Consoles stand on it."""
