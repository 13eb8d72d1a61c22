"""Text as it was meant: blanks, encodings gone wrong, markup."""
