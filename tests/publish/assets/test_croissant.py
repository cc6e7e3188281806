"""A data set's description for Ocean, taken from Croissant."""

import json

import pytest

from unionveil.export.croissant import About, croissant
from unionveil.runs.schema import Counts, ManifestHead
from unionveil_ocean.assets.croissant import described_by
from unionveil_ocean.assets.files import DatasetFile
from unionveil_ocean.errors import SettingError

BASE = DatasetFile(
    name="Other", description="Another text", author="x", license="y", links=("https://example.org/a",)
)
HEAD = ManifestHead(
    models=(),
    configuration={"method": "ksame", "k": "12"},
    counts=Counts(inputs=3, redacted=2, without_face=1, rejected={}, faces=5),
)
ABOUT = About(
    name="Streets", description="Photos of streets", author="A union", license="CC-BY-4.0", tags=("a", "b")
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "croissant.json"
    path.write_bytes(croissant(ABOUT, HEAD, [], "pictures/"))
    return path


def test_what_markets_show_and_how_people_were_covered(file):
    metadata = described_by(file, BASE).metadata()
    assert (metadata.name, metadata.author, metadata.description) == (
        "Streets",
        "A union",
        "Photos of streets",
    )
    assert metadata.license == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert metadata.tags == ["a", "b"]
    assert metadata.links == ["https://example.org/a"]
    extra = metadata.additional_information
    assert extra is not None and extra["termsAndConditions"] is True
    facts = extra["croissant"]
    assert isinstance(facts, dict)
    assert "at least k = 12 people" in str(facts["rai:dataManipulationProtocol"])
    assert facts["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert not {"distribution", "recordSet", "@context"} & facts.keys()


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d.pop("license"), "license: Field required"),
        (lambda d: d.update(conformsTo="http://example.org/1"), "conformsTo"),
        (lambda d: d.update(creator=[]), "creator"),
        (lambda d: d["creator"].update(name="A\nB"), "author: String should match"),
        (lambda d: d.update({"rai:x": 1e400}), "additional_information: .* has no JSON form"),
        (lambda d: d.update({"rai:x": 10**19}), "additional_information: .* too large a number"),
        (lambda d: d.update(name="x"), "name: String should have at least 4 characters"),
    ],
)
def test_a_file_that_describes_nothing_is_one_sentence(file, edit, words):
    document = json.loads(file.read_text())
    edit(document)
    file.write_text(json.dumps(document))
    with pytest.raises(SettingError, match=words) as caught:
        described_by(file, BASE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"'])
def test_other_files_are_refused(file, data):
    file.write_bytes(data)
    with pytest.raises(SettingError):
        described_by(file, BASE)
    with pytest.raises(SettingError, match="cannot be read"):
        described_by(file.with_name("gone"), BASE)
