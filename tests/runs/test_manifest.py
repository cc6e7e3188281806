import json

import pytest
from pydantic import ValidationError

from unionveil import AnonymizeConfig, Anonymized, Detections
from unionveil.detections import Kind
from unionveil.formats import ImageFormat
from unionveil.models.cards import CARDS
from unionveil.runs.manifest import ManifestBuilder
from unionveil.runs.records import redacted_record
from unionveil.runs.schema import Manifest, RedactedRecord, RejectedRecord, detections_of


def build(count=2):
    config = AnonymizeConfig()
    builder = ManifestBuilder(config)
    faces = Detections.of([[1.26, 2, 30.04, 40]], [0.98765])
    for number in range(1, count + 1):
        outcome = Anonymized(
            b"data", ImageFormat.JPEG, (64, 48), (faces if number == 1 else Detections.empty(),)
        )
        builder.add(redacted_record(number, f"{number:06d}.jpg", outcome, config, None))
    builder.add(RejectedRecord(input=count + 1, reason="unreadable", detail="the file is empty"))
    return builder


def test_a_written_manifest_is_read_by_the_model():
    manifest = Manifest.model_validate_json(build().to_bytes())
    assert manifest.counts.inputs == 3
    assert (manifest.counts.redacted, manifest.counts.without_face, manifest.counts.faces) == (1, 1, 1)
    assert manifest.counts.rejected == {"unreadable": 1}
    assert manifest.models[0].sha256 == CARDS["retinaface"].sha256
    first = manifest.items[0]
    assert isinstance(first, RedactedRecord)
    assert first.faces[0].xyxy == (1.3, 2.0, 30.0, 40.0)
    assert first.faces[0].score == 0.988
    assert AnonymizeConfig.from_parameters(manifest.configuration) == AnonymizeConfig().resolved()[0]


def test_the_threshold_is_recorded_whether_set_or_not():
    card = CARDS["retinaface"]
    by_default = ManifestBuilder(AnonymizeConfig())
    asked = ManifestBuilder(AnonymizeConfig(threshold=0.25))
    assert Manifest.model_validate_json(by_default.to_bytes()).models[0].threshold == card.threshold
    assert Manifest.model_validate_json(asked.to_bytes()).models[0].threshold == 0.25


def test_an_empty_run_has_a_valid_manifest():
    builder = ManifestBuilder(AnonymizeConfig())
    assert Manifest.model_validate_json(builder.to_bytes()).counts.inputs == 0


def test_nothing_that_changes_from_run_to_run_is_in_it():
    assert build().to_bytes() == build().to_bytes()


@pytest.mark.parametrize(("method", "marked"), [("fill", None), ("gaussian", None), ("pixelate", True)])
def test_a_method_for_looks_only_is_marked(method, marked):
    config = AnonymizeConfig.from_parameters({"method": method})
    assert json.loads(ManifestBuilder(config).to_bytes()).get("looks_only") is marked


def test_readers_ignore_fields_of_later_versions():
    later = json.loads(build().to_bytes())
    assert later["schema_version"] == "1.3"
    later["schema_version"] = "1.7"
    later["shards"] = 3
    later["items"][0]["faces"][0]["kind"] = "logo"
    assert Manifest.model_validate_json(json.dumps(later)).counts.inputs == 3
    later["schema_version"] = "2.0"
    with pytest.raises(ValidationError, match="schema_version"):
        Manifest.model_validate_json(json.dumps(later))


def covering(cover, other=Kind.TEXT, **settings):
    """Manifest of one picture with a face and two lines of text, or two plates."""
    config = AnonymizeConfig.from_parameters({"cover": cover, **settings})
    found = Detections.of(
        [[0, 0, 30, 40], [50, 0, 90, 9], [50, 20, 90, 30]], [0.9] * 3, kind=[Kind.FACE, other, other]
    )
    builder = ManifestBuilder(config)
    outcome = Anonymized(b"data", ImageFormat.JPEG, (100, 50), (found,))
    builder.add(redacted_record(1, "000001.jpg", outcome, config, None))
    return Manifest.model_validate_json(builder.to_bytes())


def test_every_cover_has_its_kind_and_method():
    manifest = covering("face,text", method="gaussian")
    assert [face.kind for face in manifest.items[0].faces] == [None, "text", "text"]
    assert [face.method for face in manifest.items[0].faces] == ["gaussian", "fill", "fill"]
    assert (manifest.counts.faces, manifest.counts.texts, manifest.counts.redacted) == (1, 2, 1)
    assert manifest.counts.covered == "1 face and 2 lines of text or plates"
    assert manifest.configuration["cover"] == "face,text"
    assert [model.name for model in manifest.models] == ["retinaface", "ppocr-text"]
    kinds = detections_of(manifest.items[0].faces).kind.tolist()
    assert kinds == [Kind.FACE, Kind.TEXT, Kind.TEXT]


def test_plates_are_counted_with_the_texts():
    manifest = covering("face,plate", Kind.PLATE)
    assert [face.kind for face in manifest.items[0].faces] == [None, "plate", "plate"]
    assert (manifest.counts.faces, manifest.counts.texts) == (1, 2)
    assert [model.name for model in manifest.models] == ["retinaface", "plates"]
    assert detections_of(manifest.items[0].faces).kind.tolist() == [Kind.FACE, Kind.PLATE, Kind.PLATE]


def test_text_is_not_a_face_that_could_not_be_compared():
    assert covering("face,text", method="ksame").counts.not_compared == 1  # the face, which is in no group


def test_the_threshold_of_faces_is_not_that_of_text():
    models = covering("face,text", threshold="0.25").models
    assert [model.threshold for model in models] == [0.25, CARDS["ppocr-text"].threshold]


def test_a_manifest_with_only_faces_has_no_new_fields():
    text = build().to_bytes().decode()
    assert "cover" not in text and "text" not in text and "kind" not in text
