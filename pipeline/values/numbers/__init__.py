"""Numbers, money, yes and no."""
