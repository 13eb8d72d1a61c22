"""Is it well at the edges: where calls lead, what certificate is shown, which data leaves its region."""
