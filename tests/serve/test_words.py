"""The pages' texts: the same keys and the same placeholders in every language."""

import json
import re
from importlib.resources import files

import pytest

LANGUAGES = ("en", "de", "fr", "es")
FOLDER = files("unionveil.serve") / "static" / "words"
PAGES = sorted({entry.name.partition(".")[0] for entry in FOLDER.iterdir()})


def blanks(value):
    texts = value.values() if isinstance(value, dict) else [value]
    return {frozenset(re.findall(r"\{(\w+)\}", text)) for text in texts}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_languages_have_the_same_keys_and_blanks(page, language):
    english, other = (json.loads((FOLDER / f"{page}.{code}.json").read_text()) for code in ("en", language))
    assert list(other) == list(english)
    for key, value in english.items():
        assert set().union(*blanks(other[key])) == set().union(*blanks(value)), key
        assert isinstance(other[key], dict) == isinstance(value, dict), key
