"""Who may do what in the database itself: one role for each job, and views for readers."""
