"""Mails as sources send them: taken apart within bounds, and read by templates. Pure but for the templates' files."""
