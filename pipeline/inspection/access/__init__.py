"""Letting us in at a source: its owner agrees once, by `afluente source connect`, and can take that back."""
