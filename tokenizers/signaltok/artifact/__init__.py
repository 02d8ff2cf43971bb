"""The exported tokenizer as a folder: what is in it, writing it, reading it. No code is ever run from it."""
