"""The one error for token data that is damaged or does not fit."""


class TokenDataError(ValueError):
    """Damaged or foreign token data, and where: a position in a stream of ids, a file, an item of a shard.

    complete: how many documents (of a stream) were whole before the place.
    """

    def __init__(self, place: str, problem: str, *, complete: int = 0) -> None:
        super().__init__(place, problem)
        self.place = place
        self.problem = problem
        self.complete = complete

    def __str__(self) -> str:
        whole = f" (after {self.complete} whole documents)" if self.complete else ""
        return f"{self.place}: {self.problem}{whole}"
