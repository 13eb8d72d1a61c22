"""`afluente up`: embedded servers, the programs of a system, their start, watch and stop."""
