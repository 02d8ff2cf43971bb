"""Figures of record, plots and the page: what a run says about itself, read from its folder alone."""
