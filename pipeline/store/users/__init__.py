"""Who may sign in, who is signed in, and whose attempts failed."""
