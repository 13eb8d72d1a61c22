"""The receiver's edge: what a connection may cost before anything of a request is understood."""
