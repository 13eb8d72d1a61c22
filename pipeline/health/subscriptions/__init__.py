"""Do sources that post still know our address: asked once a day with a token, recorded, and said."""
