"""Adversaries: a discriminator with its losses, its regularisation, its schedule and its weight in the objective."""
