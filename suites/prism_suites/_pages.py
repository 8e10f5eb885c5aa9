"""Items of which no two are alike at one place of two pages: what is wrong from the second page on shows in each of them."""

__all__ = ["item"]


def item(number: int) -> tuple[bytes, dict[str, str]]:
    """Return payload and headers: some are empty, and all others have the number in them."""
    headers = {} if number % 4 == 0 else {"number": f"{number}", "h": "v"}
    return b"" if number % 6 == 1 else b"item-%d" % number, headers
