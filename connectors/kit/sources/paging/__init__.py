"""How a source that gives its records in parts is asked for them: requests, ways from page to page, windows of time."""
