"""A source that posts is asked afterwards what it has posted: what was lost on the way is found by its id.

It is made into the body that the source would have posted: so it is named, read, fetched and mapped as if it had come.
"""
