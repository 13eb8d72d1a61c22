"""Which of several values the golden record keeps."""
