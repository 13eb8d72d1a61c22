"""Signing in: by the company's own provider (OpenID Connect), and by a local administrator where that is away."""
