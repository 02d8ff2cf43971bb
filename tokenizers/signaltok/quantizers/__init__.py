"""Quantizers: latent to codes and back. Adding one is a file here, a YAML, and a row in tests/laws/table.py."""
