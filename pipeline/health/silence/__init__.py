"""Is a source silent for longer than its own rhythm: learned from when it was heard, judged every minute."""
