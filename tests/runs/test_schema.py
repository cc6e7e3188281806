import json

from paths import REPOSITORY
from unionveil import AnonymizeConfig
from unionveil.runs.schema import Manifest


def test_the_published_schema_is_the_models():
    published = json.loads((REPOSITORY / "metadata" / "manifest.schema.json").read_text())
    assert published == Manifest.model_json_schema(), "run `make schemas`"
    published = json.loads((REPOSITORY / "metadata" / "config.schema.json").read_text())
    assert published == AnonymizeConfig.model_json_schema(), "run `make schemas`"
