"""A small language model on the token stream: the proof that a model learns from it. torch, no Lightning."""
