"""The only room that knows Lightning and Hydra: from a config to a run folder."""
