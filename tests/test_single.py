"""Settings for photos that arrive one by one exclude those that need all photos or other files."""

import pytest

from unionveil import ConfigError
from unionveil.config import parameters
from unionveil.single import METHODS, not_single, single_config


def test_a_new_setting_is_not_offered_by_itself():
    """The settings that need only one photo are listed explicitly."""
    offered = {parameter.name for parameter in parameters()} - not_single()
    assert offered == {
        *("detector", "detail", "engine", "mirror", "threshold", "method", "color", "cells", "strength"),
        *("picture", "backing", "shape", "margin", "max_megapixels", "check_outputs"),
        *("min_face", "max_face", "keep_metadata", "gps_decimals", "output_format", "quality"),
        *("cover", "text_method", "text_margin"),
    }


@pytest.mark.parametrize("method", METHODS)
def test_every_redaction_of_one_photo_is_offered(method):
    assert single_config({"method": method}, "a server").redaction.method == method


def test_others_are_refused():
    methods = next(parameter for parameter in parameters() if parameter.name == "method").choices
    others = set(methods) - set(METHODS)
    assert others
    for method in others:
        with pytest.raises(ConfigError, match="a server takes pictures one by one"):
            single_config({"method": method}, "a server")


def test_a_new_redaction_is_refused_until_it_is_listed():
    with pytest.raises(ConfigError, match="method pixelate is not offered by a bot; it offers fill, overlay"):
        single_config({"method": "pixelate"}, "a bot", methods=("fill", "overlay"))
