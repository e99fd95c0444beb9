"""Architectures that many files have: told by the order and the shapes of their weights, and so known with all that
weights do not say. `applications.json.xz` is written by `scripts/make_architectures` with genuine releases of Keras."""
