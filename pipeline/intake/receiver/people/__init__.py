"""What the API tells of people, and what is asked of their data by it."""
