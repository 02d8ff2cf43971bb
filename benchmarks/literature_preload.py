"""What every run of the literature benchmark needs, imported once in the process that the runs are forked from."""

import signaltok.training.run  # noqa: F401
