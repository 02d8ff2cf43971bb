"""What a run minimizes: one dict of terms, one dict of weights with the same keys."""
