"""The one error of this package."""

__all__ = ["ServerUnavailable"]


class ServerUnavailable(Exception):
    """A server cannot be had here: which, why, and the one thing that mends it. Its text holds no credential."""

    def __init__(self, name: str, reason: str, remedy: str = "") -> None:
        super().__init__(name, reason, remedy)
        self.name = name
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" + (f"; {self.remedy}" if self.remedy else "")
