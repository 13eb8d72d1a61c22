"""What is decided about a lead, pure: mapping, normalization, validation, attribution, golden values."""
