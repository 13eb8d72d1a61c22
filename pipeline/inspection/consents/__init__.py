"""What people agree to, for whoever asks or decides: shown, recorded by hand, exported; links by which they choose."""
