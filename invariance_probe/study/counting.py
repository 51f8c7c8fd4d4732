"""Numbers with their noun, as every sentence of the toolkit writes them."""


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, in the plural unless it is one.

    Examples
    --------
    >>> counted(1, "session"), counted(0, "run"), counted(1200, "model-step")
    ('1 session', '0 runs', '1,200 model-steps')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
