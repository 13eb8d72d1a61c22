"""One spelling per meaning, pure: a folder a kind of value, and the vocabularies they share."""
