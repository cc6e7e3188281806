"""The encoders of videos."""

import re

import pytest

from unionveil.config import parameters
from unionveil.formats import VideoFormat
from unionveil.video.codecs import encoder_of


@pytest.mark.parametrize("codec", ["h264", "av1", "vp9"])
def test_the_help_states_the_default_rate_factor(codec):
    (crf,) = (parameter for parameter in parameters() if parameter.name == "crf")
    rates = re.findall(r"(\d+) for ([\w ]+)", crf.description.partition("Default: ")[2])
    assert [int(rate) for rate, codecs in rates if codec in codecs.split()] == [
        encoder_of(VideoFormat.MKV, codec).crf
    ]
