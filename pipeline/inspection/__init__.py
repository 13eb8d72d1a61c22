"""What people ask and do by hand: stories, exports, trials; replay, release, merge, renew. Consoles stand on it."""
