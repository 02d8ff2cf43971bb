"""What is said, as tokens: normalisers, and spellings by characters, phonemes and sub-words."""
