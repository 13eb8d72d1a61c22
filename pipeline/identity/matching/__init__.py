"""Who is who, decided from evidence alone: pure, and independent of the order of arrival.

evidence         what a lead says of who it is, and the keys under which others like it are found
name_agreement   how two names agree
scoring          the pieces of evidence of a pair, and their weights (`mappings/identity.yaml`)
clustering       from weighed pairs to people; the same in whatever order leads arrived
"""
