"""Arguments, checked: what is given becomes a plain int, or an error that names it."""

from operator import index

from pagebuddy.numerals import numeral

PAGE_NUMBERS = 1 << 64
LAST_PAGE = PAGE_NUMBERS - 1


def whole(value: object, name: str, *, least: int | None = 0, most: int | None = None) -> int:
    """Return value as an int from least to most, where these are limits.

    Raises TypeError for what is no integer, ValueError for one outside.

    >>> whole(3, "n_pages", least=1)
    3
    >>> whole(0, "n_pages", least=1)
    Traceback (most recent call last):
        ...
    ValueError: n_pages is 0; it must be at least 1
    """
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name} is {value!r}, a {kind}; it must be an integer") from None
    if least is not None and number < least:
        raise ValueError(f"{name} is {numeral(number)}; it must be at least {least}")
    if most is not None and number > most:
        raise ValueError(f"{name} is {numeral(number)}; it must be at most {most}")
    return number


def power_of_two(value: object, name: str, *, most: int) -> int:
    """Return value as an int that is a power of two, at most `most`.

    >>> power_of_two(4096, "page_size", most=1 << 40)
    4096
    >>> power_of_two(4097, "page_size", most=1 << 40)
    Traceback (most recent call last):
        ...
    ValueError: page_size is 4097; it must be a power of two, 4096 or 8192 for example
    """
    number = whole(value, name, least=1, most=most)
    if number & (number - 1):
        below = 1 << (number.bit_length() - 1)
        raise ValueError(
            f"{name} is {numeral(number)}; it must be a power of two, "
            f"{numeral(below)} or {numeral(2 * below)} for example"
        )
    return number
