"""Who is who, with the database: evidence filed, people found, merged and taken apart.

Read in this order:

filing                    the first transaction: what leads say of who they are is stored as evidence
resolution                the second one, all its steps in order: from evidence to people

neighborhoods             locks and reads every component that new evidence could join or split
neighborhood_clustering   what was read, clustered: the same for workers and for whoever explains a pair
people_updates            carries out the plan of who becomes whom
corrected_events          events that bring other evidence than they did before
evidence_limits           how much of one name counts on one address
evidence_cache            evidence opened and its keys made, once

merges, unmerges          a human's decision that two are one, or one is two; decisions has what both share

matching/ is pure: no database, no clock, no chance.
  evidence          what a lead says of who it is, and the keys under which others like it are found
  name_agreement    how two names agree
  employers         the employer a lead names, and whether two are the same
  scoring           what counts for and against a pair, in bits (`mappings/identity.yaml`, read by rules)
  clustering        from weighed pairs to people; the same in whatever order leads arrived
  reassignment      who becomes whom when evidence changes hands
"""
