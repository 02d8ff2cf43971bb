"""How a run ends that was told to stop."""

EXIT_OF_SIGNAL = 128  # a process that ends by a signal has 128 and its number as its exit status, by custom
EXIT_OF_TIME = 75  # sysexits.h: temporary failure, try again


class RunInterruptedError(Exception):
    """The run has stopped before its end, and can go on. status: what the process exits with."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
