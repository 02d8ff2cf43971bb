"""Decoders: latent to signal. Each has a twin of the same name among the encoders."""
