"""Configs that cannot lie: the schema of the root, the check of every node, and the one place that builds."""
