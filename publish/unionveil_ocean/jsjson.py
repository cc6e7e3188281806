"""JSON exactly as JavaScript's `JSON.stringify(value)` writes it after a `JSON.parse`.

Ocean nodes parse a DDO, write it again and hash that text, so a single differing byte yields a DDO that is on
the chain but never served. Source: ECMA-262, SerializeJSONProperty, QuoteJSONString,
Number::toString and OrdinaryOwnPropertyKeys (keys that are array indices come first, in ascending order).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""An object as `json.loads` returns it; its values are checked where they are read."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_INDEX = 2**32 - 2  # largest array index
MOST_WHOLE = 2**53
"""Whole numbers up to this one are exact in JavaScript."""

MOST_DEPTH = 64
"""Deepest nesting accepted in JSON from outside; a DDO has about ten levels."""

_BRACKET = re.compile(r'["\[\]{}]')
_REST_OF_STRING = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def parse_json(text: str) -> Any:
    """Parses JSON from outside.

    Depth is counted before anything is built: parsers recurse for each level, and a text full of brackets
    crashes the process where the recursion limit was raised, as py-evm does.

    Raises:
        ValueError: not JSON, or nested deeper than `MOST_DEPTH`; says which.
    """
    depth = place = 0
    while found := _BRACKET.search(text, place):
        place = found.end()
        if found[0] == '"':
            string = _REST_OF_STRING.match(text, place)
            if string is None:
                raise ValueError("it is not JSON")
            place = string.end()
        else:
            depth += 1 if found[0] in "[{" else -1
            if depth > MOST_DEPTH:
                raise ValueError("it is nested too deeply")
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError("it is not JSON") from error


def stringify(value: object) -> str:
    """The text of a value made of dicts, lists, strings, numbers, booleans and None.

    Raises:
        ValueError: a number that JavaScript would change, or that JSON does not have.
        TypeError: a value that JSON does not have, or a key that is not a string.
    """
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, int):
        if abs(value) > MOST_WHOLE:
            raise ValueError(f"{value} is too large a number for JavaScript; write it as a string")
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_quote(key)}:{stringify(value[key])}" for key in _ordered(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(stringify, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _quote(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"the key {text!r} is not a string")
    quoted = json.dumps(text, ensure_ascii=False)
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _ordered(value: Mapping[object, object]) -> list[object]:
    indices = [
        key for key in value if isinstance(key, str) and _INDEX.fullmatch(key) and int(key) <= _MAX_INDEX
    ]
    indices.sort(key=int)
    first = set(indices)
    return indices + [key for key in value if key not in first]


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} has no JSON form")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    # Python's repr gives the shortest digits that read back as the same number, as JavaScript demands.
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"
