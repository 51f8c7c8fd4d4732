"""Numbers with their nouns, as reports and messages need them."""


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, in the plural unless the number is 1.

    Examples
    --------
    >>> counted(1, "session"), counted(0, "run"), counted(1200, "model-step")
    ('1 session', '0 runs', '1,200 model-steps')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
