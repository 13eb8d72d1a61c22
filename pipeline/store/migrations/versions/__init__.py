"""One module per step, in the order of its number. A step must be safe while the program before it still runs."""
