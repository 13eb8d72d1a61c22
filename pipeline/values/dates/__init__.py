"""Dates and times as people write them, and the order of day and month of a column."""
