"""Sources that send ids only: where the record of each is read, how, and what the answer means."""
