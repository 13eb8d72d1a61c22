"""What can be set: declarations of afluente.yaml, secrets by reference, what an installation keeps."""
