"""Learned codebooks, as a method section: search, update, estimator, initialization, revival; vector joins them."""
