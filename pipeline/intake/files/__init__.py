"""Tables of any spelling into rows: CSV, Excel, JSON lines, HTML, archives."""
