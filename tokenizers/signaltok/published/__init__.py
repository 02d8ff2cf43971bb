"""Tokenizers from the published weights of neural audio codecs, each family of them in a file of its own.

Neither the public packages nor transformers are needed to read what they write.
"""
