"""Who may do what: roles, permissions, and what each command and route needs. Pure, and asked by all ways in."""
