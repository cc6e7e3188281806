import numpy as np

from unionveil import AnonymizeConfig, Anonymized, Detections
from unionveil.formats import ImageFormat
from unionveil.runs.records import redacted_record, salted_digest


def test_a_salted_digest_needs_the_salt():
    assert salted_digest(b"photo", b"salt") == salted_digest(b"photo", b"salt")
    assert (
        len(
            {
                salted_digest(b"photo", b"salt"),
                salted_digest(b"photo", b"pepper"),
                salted_digest(b"other", b"salt"),
            }
        )
        == 3
    )


def test_scores_beyond_one_cannot_slip_in():
    outcome = Anonymized(b"", ImageFormat.PNG, (1, 1), (Detections.of(np.zeros((1, 4)), [1.0000001]),))
    assert redacted_record(1, "x.png", outcome, AnonymizeConfig(), None).faces[0].score == 1.0
