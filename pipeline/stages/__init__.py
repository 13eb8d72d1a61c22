"""What a lead goes through, pure: a folder a stage."""
