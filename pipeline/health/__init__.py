"""Is it well: readings, thresholds, doctor, status, metrics."""
