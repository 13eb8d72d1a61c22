"""Sources that send ids, played: their records by id, with tokens that expire, limits and failures."""
