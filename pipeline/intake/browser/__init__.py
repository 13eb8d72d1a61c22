"""What a website takes from here: the script of its forms."""
