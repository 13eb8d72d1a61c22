"""Keys of programs: known by digest, with what each may do, until when, and the day it was last used."""
