"""E-mail addresses: checked, spelled, matched; domains and local parts."""
