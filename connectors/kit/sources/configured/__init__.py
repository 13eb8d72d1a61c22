"""Sources that afluente.yaml describes by itself: what may stand under `options`, and the declaration it comes to."""
