"""Which keys seal what is stored, and how far what older ones sealed has been sealed anew."""
