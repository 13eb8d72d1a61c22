"""How answers look on a terminal: tables, charts, stories in words, and the connection to what runs."""
