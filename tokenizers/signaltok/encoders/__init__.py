"""Encoders: signal to latent. Each has a twin of the same name among the decoders."""
