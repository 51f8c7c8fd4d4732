"""Text of numbers and outcomes, as the report's tables show them."""


def said_of(outcome: str) -> str:
    """Describe the outcome of a prediction, with an explanation of `open`.

    Examples
    --------
    >>> said_of("open")
    'open, neither supported nor contradicted'
    """
    return "open, neither supported nor contradicted" if outcome == "open" else outcome


def two_decimals(value: float | None) -> str:
    """Format a number with two decimals and a true minus; None becomes a dash.

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
    """Format a number with one decimal; None becomes a dash.

    Examples
    --------
    >>> one_decimal(0.22)
    '0.2'
    """
    return "\N{EN DASH}" if value is None else f"{value:.1f}"
