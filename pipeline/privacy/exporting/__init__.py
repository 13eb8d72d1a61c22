"""What somebody is shown of what we hold of them."""
