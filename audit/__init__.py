"""What this program is made of, and which of it is known to have holes: `make audit`. Not part of the program."""
