"""What is measured on a split: distortion of the signal, use of the codes; one function gives all numbers."""
