"""What people asked of their data, and the statements that erase it."""
