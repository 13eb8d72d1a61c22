"""How sources let us in: the secrets that we show them, and tokens that are had anew before they end."""
