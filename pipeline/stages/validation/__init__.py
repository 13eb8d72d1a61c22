"""Which leads are no leads: tests, spam, links, by rules."""
