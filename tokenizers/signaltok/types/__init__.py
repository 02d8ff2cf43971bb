"""The frozen objects that travel between the rooms; one file each, shapes by the legend below.

b batch, c channels, d latent width, n rows or tokens, q levels, K codes in a book, *s signal axes, *l latent axes.
"""
