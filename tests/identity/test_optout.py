"""Opt-out lists: a damaged one is refused, and the job stops."""

import json

import numpy as np
import pytest

from checked import present
from unionveil import AnonymizeConfig, ConfigError, References
from unionveil.config import Only
from unionveil.identity.optout import OptOut, read_optout
from unionveil.job import run_job
from unionveil.models.cards import EMBEDDERS


def listed(tmp_path, **changes):
    card = EMBEDDERS["sface"]
    known = References.of([[np.eye(1, 128, dtype=np.float32)[0]]], card.sha256)
    path = tmp_path / "people.json"
    path.write_text(json.dumps({**json.loads(OptOut.of(known, card, 0.3).model_dump_json()), **changes}))
    return path


def test_a_list_becomes_settings_and_people(tmp_path):
    people = present(read_optout(listed(tmp_path)))
    config = people.applied(AnonymizeConfig(margin=0.3))
    assert isinstance(config.selection, Only) and config.selection.only_strict == "yes"
    assert config.selection.least_cosine(EMBEDDERS["sface"]) == 0.3 and config.margin == 0.3
    assert people.references().people == 1


def test_an_image_without_a_list_has_no_opt_outs(tmp_path):
    assert read_optout(tmp_path / "people.json") is None


@pytest.mark.parametrize(
    "changes",
    [{"people": []}, {"people": [[[0.5] * 128]]}, {"people": [[]]}, {"least_cosine": 2}, {"more": 1}],
)
def test_a_damaged_list_stops_the_job_before_anything_is_read(tmp_path, changes):
    (tmp_path / "data" / "inputs").mkdir(parents=True)
    (tmp_path / "data" / "inputs" / "photo.jpg").write_bytes(b"x")
    with pytest.raises(ConfigError, match="opt-out list"):
        run_job(tmp_path / "data", lambda _: None, optout=listed(tmp_path, **changes))
    assert not (tmp_path / "data" / "outputs").exists()


def test_a_list_for_other_weights_stops_the_job(tmp_path):
    (tmp_path / "data" / "inputs").mkdir(parents=True)
    (tmp_path / "data" / "inputs" / "photo.jpg").write_bytes(b"x")
    with pytest.raises(ConfigError, match="opt-out list"):
        run_job(tmp_path / "data", lambda _: None, optout=listed(tmp_path, sha256="0"))


def test_a_buyer_who_covers_only_text_uncovers_nobody(tmp_path):
    people = present(read_optout(listed(tmp_path)))
    assert people.applied(AnonymizeConfig(cover="text")).cover == ("face", "text")
    assert people.applied(AnonymizeConfig(cover="head")).cover == ("head",)
