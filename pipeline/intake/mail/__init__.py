"""Mailboxes: mails stored as they came, each with the position behind it."""
