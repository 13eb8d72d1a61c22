"""Ticks that wait to be confirmed: what was asked of whom, until when, and what came of it; of a link a digest."""
