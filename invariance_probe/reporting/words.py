"""Numbers and counts, written as the report's tables write them.

A number goes in; text comes out.
"""


def said_of(outcome: str) -> str:
    """Write what a verdict says of a prediction, with the meaning of `open`.

    Examples
    --------
    >>> said_of("open")
    'open, neither supported nor contradicted'
    """
    return "open, neither supported nor contradicted" if outcome == "open" else outcome


def two_decimals(value: float | None) -> str:
    """Write two decimals with a true minus, or a dash where there is no number.

    Examples
    --------
    >>> two_decimals(-0.001)
    '0.00'
    """
    if value is None:
        return "\N{EN DASH}"
    text = f"{value:.2f}"
    return ("0.00" if text == "-0.00" else text).replace("-", "\N{MINUS SIGN}")


def one_decimal(value: float | None) -> str:
    """Write one decimal, or a dash where there is no number.

    Examples
    --------
    >>> one_decimal(0.22)
    '0.2'
    """
    return "\N{EN DASH}" if value is None else f"{value:.1f}"
