import pytest
from hypothesis import given
from hypothesis import strategies as st

from unionveil import AnonymizeConfig, ConfigError
from unionveil.config import EMOJI, Pixelate, parameters
from unionveil.redact import emoji


def test_defaults_are_the_safe_ones():
    config = AnonymizeConfig()
    assert config.redaction.method == "fill"
    assert config.detector == ("retinaface",)
    assert config.names == "number"


def test_strings_are_converted():
    config = AnonymizeConfig.from_parameters(
        {"method": "pixelate", "cells": "4", "margin": "0.3", "threshold": "0.25", "detector": "haar, yunet"}
    )
    assert config.redaction == Pixelate(cells=4)
    assert config.margin == 0.3
    assert config.threshold == 0.25
    assert config.detector == ("haar", "yunet")


@pytest.mark.parametrize(
    ("given_parameters", "sentence"),
    [
        ({"metod": "fill"}, "unknown parameter 'metod'; did you mean 'method'?"),
        ({"method": "blur"}, "method: 'blur' is not one of fill, "),
        ({"cells": "3"}, "cells: belongs to method pixelate, not to fill"),
        ({"method": "pixelate", "cells": "1"}, "cells: .*greater than or equal to 2"),
        ({"method": "pixelate", "cells": "1000"}, "cells: .*less than or equal to 10"),
        ({"method": "gaussian", "strength": "0"}, "strength: .*greater than or equal to 4"),
        (
            {"method": "gaussian", "strength": "1"},
            "strength: 1 is below the range from 4 to 8: a trained",
        ),
        ({"method": "bilateral", "strength": "3.9"}, "leave it out for 4"),
        ({"method": "median", "strength": "9"}, "strength: .*less than or equal to 8"),
        ({"detector": "retinafase"}, "unknown detector 'retinafase'; did you mean 'retinaface'[?]$"),
        ({"detector": "yolo"}, "write detector 'yolo' as yolo:FILE.onnx"),
        ({"detector": "haar,haar"}, "named twice"),
        ({"detector": ""}, "unknown detector ''"),
        ({"threshold": "high"}, "threshold: .*valid number"),
        ({"threshold": "0"}, "threshold: .*greater than 0"),
        ({"margin": "nan"}, "margin: .*finite"),
        ({"margin": "-0.1"}, "margin: .*greater than or equal to 0"),
        ({"color": "black"}, "color: a colour is written #rrggbb"),
        ({"detail": "best"}, "detail: .*'fast', 'standard' or 'crowd'"),
        ({"min_face": "0"}, "min_face: .*greater than 0"),
        ({"crf": "52", "codec": "h264"}, "^crf: 52 is above 51"),
        ({"min_face": "90", "max_face": "20"}, "^min_face: 90 is above max_face, 20"),
        ({"keep_metadata": "gps,serial"}, "keep_metadata: unknown metadata 'serial'; known: date, gps"),
        ({"keep_metadata": "date", "gps_decimals": "2"}, "^gps_decimals: without keep_metadata gps"),
        ({"keep_metadata": "gps", "gps_decimals": "8"}, "gps_decimals: .*less than or equal to 7"),
        ({"output_format": "gif"}, "output_format: .*'same', 'jpeg', 'png' or 'webp'"),
        ({"quality": "5"}, "quality: .*greater than or equal to 20"),
        ({"max_megapixels": "inf"}, "max_megapixels: .*finite"),
        ({"cover": "face,logo"}, "^cover: 'logo' cannot be covered; known: face, head, text, plate$"),
        ({"cover": ""}, "^cover: '' cannot be covered; known: face, head, text, plate$"),
        ({"cover": "text,text"}, "cover: something is named twice"),
        ({"cover": "face,head"}, "cover: a head holds its face; name one of the two"),
        ({"cover": "text", "select": "keep"}, "^select keep chooses among faces; add face to cover$"),
        ({"cover": "head", "method": "ksame"}, "^method ksame replaces faces; add face to cover"),
        ({"text_method": "blur"}, "text_method: .*'fill' or 'same'"),
    ],
)
def test_every_wrong_setting_is_one_clear_sentence(given_parameters, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        AnonymizeConfig.from_parameters(given_parameters)
    assert "\n" not in str(caught.value)


def test_metadata_is_kept_by_name_in_one_order():
    config = AnonymizeConfig.from_parameters({"keep_metadata": " gps , date,gps", "gps_decimals": "2"})
    assert config.keep_metadata == ("date", "gps")
    assert config.to_parameters()["keep_metadata"] == "date,gps"
    assert AnonymizeConfig.from_parameters(config.to_parameters()) == config
    assert AnonymizeConfig().keep_metadata == AnonymizeConfig(keep_metadata="").keep_metadata == ()


@pytest.mark.parametrize("given", [{"min_face": 9}, {"max_face": 900}, {"select": "keep"}])
def test_settings_that_leave_faces_visible_say_so(given):
    assert AnonymizeConfig().covers_everyone
    assert not AnonymizeConfig.from_parameters(given).covers_everyone


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(ConfigError, match=r"margin.*; names"):
        AnonymizeConfig.from_parameters({"margin": "9", "names": "mine"})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "detail": st.sampled_from(["fast", "standard", "crowd"]),
            "shape": st.sampled_from(["box", "ellipse"]),
            "threshold": st.sampled_from(["", "0.1", "0.75"]),
            "margin": st.sampled_from(["0", "0.5", "1"]),
            "names": st.sampled_from(["number", "keep"]),
        },
    ),
    st.sampled_from(
        [
            {"method": "overlay", "picture": "fist"},
            {"method": "fill", "color": "#10aF00"},
            {"method": "median"},
        ]
    ),
)
def test_the_flat_form_survives_a_round_trip(settings, redaction):
    config = AnonymizeConfig.from_parameters({**settings, **redaction})
    assert AnonymizeConfig.from_parameters(config.to_parameters()) == config


def test_every_parameter_default_is_the_models_default():
    flat = AnonymizeConfig().to_parameters()
    shown = {p.name: p.default for p in parameters() if not p.belongs_to or "fill" in p.belongs_to}
    shown.pop("digest_salt")
    assert shown == flat


def test_the_salt_never_shows():
    config = AnonymizeConfig(digest_salt="pepper")
    assert "pepper" not in repr(config)
    assert "pepper" not in str(config.to_parameters())


def test_every_emoji_can_be_drawn():
    for name in EMOJI:
        picture = emoji.draw(name)
        assert picture.shape == (512, 512, 4)
        assert (picture[..., 3] == 255).mean() > 0.3


def test_the_order_of_what_is_covered_does_not_matter():
    assert AnonymizeConfig(cover="text, face") == AnonymizeConfig(cover=("face", "text"))


def test_the_weights_that_are_used_follow_from_what_is_covered():
    def names(**settings):
        return [card.name for card in AnonymizeConfig(**settings).cards]

    assert names() == names(cover="head") == ["retinaface"]
    assert names(cover="face,text") == ["retinaface", "ppocr-text"]
    assert names(cover="text") == ["ppocr-text"]
    assert names(cover="face,plate") == ["retinaface", "plates"]
    assert names(cover="face,text", redaction={"method": "ksame"}) == ["retinaface", "ppocr-text", "sface"]


@pytest.mark.parametrize("method", ["gaussian", "overlay", "ksame"])
def test_text_is_filled_unless_asked_for_otherwise(method):
    asked = AnonymizeConfig.from_parameters({"method": method, "cover": "face,text"})
    assert asked.text_redaction.method == "fill"
    same = asked.model_copy(update={"text_method": "same"}).text_redaction.method
    assert same == ("fill" if method == "ksame" else method)
