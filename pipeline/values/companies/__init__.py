"""Companies, industries, job titles."""
