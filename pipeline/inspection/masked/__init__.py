"""What is told of people to whoever may see the shape of their values, not the values."""
