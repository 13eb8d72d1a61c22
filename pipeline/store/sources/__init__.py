"""What is known of sources themselves: in which minutes they were heard, and whether they still know our address."""
