"""The API as programs use it."""

import base64
import io
import json
import re
from functools import cache

import numpy as np
import pytest
from PIL import Image

import samples
import unionveil
from api_app import make_app
from unionveil import AnonymizeConfig, Anonymized
from unionveil.detections import Kind
from unionveil.serve.access import Access
from unionveil.serve.multipart import encode, parse
from web_server import running

MARKET = (samples.SCENES / "market.jpg").read_bytes()
FACE = {"frame": 0, "xyxy": [10, 12, 40, 44]}


@cache
def anonymizer(**settings):
    return unionveil.load(AnonymizeConfig.from_parameters(settings), threads=1)


def ask(server, path, body, **headers):
    return server.ask("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})


def ask_parts(server, path, parts, **headers):
    content_type, body = encode(parts)
    return ask(server, path, body, Content_Type=content_type, **headers)


def problem_in(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    return json.loads(answer.body)


def check_same_bytes(server, data):
    outcome = anonymizer()(data)
    answer = ask(server, "/v1/redact", data)
    if isinstance(outcome, Anonymized):
        assert answer.status == 200
        assert answer.body == outcome.data
    else:
        assert problem_in(answer)["reason"] == outcome.reason
        assert problem_in(answer)["detail"] == outcome.detail


@pytest.mark.parametrize("name", ["market.jpg", "portrait.jpg", "street.jpg"])
def test_the_response_equals_the_output_of_anonymize(server, name):
    check_same_bytes(server, (samples.SCENES / name).read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(samples.all_samples()))
def test_the_response_equals_the_output_of_anonymize_in_every_format(server, name):
    check_same_bytes(server, samples.all_samples()[name])


def test_the_format_stays_and_is_named(server):
    for data, media_type in [
        (samples.png(samples.RGB), "image/png"),
        (samples.tiff(samples.RGB), "image/tiff"),
        (samples.save(samples.RGB, "GIF"), "image/gif"),
        (samples.save(samples.RGB, "BMP"), "image/bmp"),
        (samples.save(samples.RGB, "WEBP"), "image/webp"),
    ]:
        answer = ask(server, "/v1/redact", data, Content_Type="application/x-www-form-urlencoded")
        assert answer.headers["Content-Type"] == media_type
        assert samples.SECRET not in answer.body


def test_settings_come_as_a_query_and_the_record_in_a_header(server):
    answer = ask(server, "/v1/redact?method=pixelate&cells=4&margin=0.3", MARKET)
    assert answer.body == anonymizer(method="pixelate", cells="4", margin="0.3")(MARKET).data
    record = json.loads(answer.headers["X-UnionVeil-Record"])
    assert record["face_count"] == len(record["faces"]) == 11
    assert {face["method"] for face in record["faces"]} == {"pixelate"}
    assert not {"input", "output", "name"} & set(record)


def test_the_header_counts_text_and_plates_apart_from_faces(server):
    kinds = ("face", "head", "text", "text", "text", "plate")
    boxes = [{"xyxy": [20 * n, 20, 20 * n + 16, 36], "kind": kind} for n, kind in enumerate(kinds)]
    content_type, body = encode(
        {"image": ("image/jpeg", MARKET), "boxes": ("application/json", json.dumps(boxes).encode())}
    )
    answer = ask(server, "/v1/redact", body, Content_Type=content_type)
    record = json.loads(answer.headers["X-UnionVeil-Record"])
    assert [record[f"{kind}_count"] for kind in ("face", "text", "plate")] == [2, 3, 1]
    assert len(record["faces"]) == 6


def test_a_record_that_is_too_long_for_a_header_is_whole_in_json(server):
    crowd = (samples.SCENES / "crowd.jpg").read_bytes()
    in_header = json.loads(ask(server, "/v1/redact", crowd).headers["X-UnionVeil-Record"])
    assert "faces" not in in_header
    answer = json.loads(ask(server, "/v1/redact", crowd, Accept="application/json").body)
    assert len(answer["record"]["faces"]) == in_header["face_count"] > 60


def test_json_carries_the_picture_its_record_and_the_settings(server):
    answer = ask(server, "/v1/redact?shape=ellipse", MARKET, Accept="application/json")
    body = json.loads(answer.body)
    assert base64.b64decode(body["image"]) == anonymizer(shape="ellipse")(MARKET).data
    assert body["media_type"] == "image/jpeg"
    assert body["configuration"]["shape"] == "ellipse"
    assert len(body["record"]["faces"]) == 11


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("method=erase", "method: 'erase' is not one of fill"),
        ("methods=fill", "did you mean 'method'"),
        ("cells=4", "cells: belongs to method pixelate"),
        ("margin=2", "margin: Input should be less than or equal to 1"),
        ("margin=0.1&margin=0.2", "margin: is given 2 times"),
        ("method=overlay&picture=/etc/passwd", "picture: '/etc/passwd' is not one of fist"),
        ("method=overlay&picture=../x.png", "is not one of"),
        ("detector=yolo:/etc/passwd", "detector: a request cannot set it"),
        ("max_megapixels=2000", "max_megapixels: a request cannot set it"),
        ("names=keep", "names: a request cannot set it"),
        ("digest_salt=x", "digest_salt: a request cannot set it"),
        ("check_outputs=no", "check_outputs: a request cannot set it"),
        ("keep=/people", "'keep'"),
        ("only=/people", "'only'"),
    ],
)
def test_settings_that_a_request_may_not_carry_are_refused(server, query, sentence):
    refused = ask(server, f"/v1/redact?{query}", MARKET)
    assert refused.status == 422
    assert sentence in problem_in(refused)["detail"]


def test_every_setting_is_either_offered_or_refused(server):
    """A new setting in the configuration is not offered to requests automatically."""
    offered = {entry["name"] for entry in json.loads(server.ask("GET", "/v1/parameters").body)}
    assert offered == {
        *("detail", "threshold", "method", "color", "cells", "strength", "picture", "backing"),
        *("shape", "margin", "min_face", "max_face", "output_format", "quality"),
        *("text_method", "text_margin"),
    }


def test_found_faces_can_be_sent_back_as_boxes(server):
    found = json.loads(ask(server, "/v1/find", MARKET).body)
    assert found["sizes_wh"] == [[1600, 1067]]
    assert len(found["faces"]) == 11
    sent = ask_parts(
        server,
        "/v1/redact",
        {"image": ("image/jpeg", MARKET), "boxes": ("application/json", json.dumps(found["faces"]).encode())},
    )
    assert sent.body == anonymizer()(MARKET).data


def test_candidates_score_below_faces_and_are_others(server):
    found = json.loads(ask(server, "/v1/find?threshold=0.997", MARKET).body)
    assert min(face["score"] for face in found["faces"]) >= 0.997
    scores = [face["score"] for face in found["candidates"]]
    assert scores and 0.4 * 0.997 <= min(scores) <= max(scores) <= 0.997


def test_boxes_are_covered_and_nothing_else(server):
    data = samples.png(samples.RGB)
    answer = ask_parts(
        server,
        "/v1/redact?margin=0",
        {"boxes": ("application/json", json.dumps([FACE]).encode()), "image": ("image/png", data)},
    )
    before, after = (np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in (data, answer.body))
    assert not after[12:44, 10:40].any()
    after = after.copy()
    after[12:44, 10:40] = before[12:44, 10:40]
    assert np.array_equal(before, after)


def test_boxes_of_text_have_the_margin_of_text(server):
    data = samples.png(samples.RGB)
    text = {**FACE, "kind": "text"}
    answer = ask_parts(
        server,
        "/v1/redact?method=gaussian&text_margin=0",
        {"boxes": ("application/json", json.dumps([text]).encode()), "image": ("image/png", data)},
    )
    after = np.asarray(Image.open(io.BytesIO(answer.body)).convert("RGB"))
    assert not after[12:44, 10:40].any() and after[12:44, 40].any()
    record = json.loads(answer.headers["X-UnionVeil-Record"])
    assert [(face["kind"], face["method"]) for face in record["faces"]] == [("text", "fill")]


@pytest.mark.parametrize(
    ("boxes", "sentence"),
    [
        ("no", "Invalid JSON"),
        ("{}", "boxes: the list: Input should be a valid"),
        ('[{"xyxy": [1, 2, 3]}]', "0.xyxy.3: Field required"),
        ('[{"xyxy": [1, 2, 3, NaN]}]', "finite"),
        ('[{"xyxy": [1, 2, 3, 1e999]}]', "finite"),
        ('[{"xyxy": [5, 5, 5, 9]}]', "with a positive width and height"),
        ('[{"frame": 1, "xyxy": [1, 2, 3, 4]}]', "a box for frame 1, and the picture has 1"),
        ('[{"xyxy": [96, 2, 120, 9]}]', "outside the picture"),
    ],
)
def test_boxes_that_do_not_fit_are_refused(server, boxes, sentence):
    parts = {"image": ("image/png", samples.png(samples.RGB)), "boxes": ("application/json", boxes.encode())}
    refused = ask_parts(server, "/v1/redact", parts)
    assert refused.status == 422
    assert sentence in problem_in(refused)["detail"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 422),
        (b"some text that is not a picture at all", 422),
        (MARKET[:5000], 422),
        (b"%PDF-1.7 and so on", 415),
        (b"\0\0\0\x18ftypmp42" + bytes(40), 415),
    ],
)
def test_files_that_are_not_pictures_have_their_status(server, data, status):
    refused = ask(server, "/v1/redact", data)
    assert refused.status == status
    assert problem_in(refused)["reason"] in ("unreadable", "unsupported")


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(server):
    bomb = samples.save(Image.new("1", (30_000, 30_000)), "PNG")
    refused = ask(server, "/v1/redact", bomb)
    assert refused.status == 413
    assert "the limit is 200 megapixels" in problem_in(refused)["detail"]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"picture": ("image/jpeg", MARKET)}, "unknown part 'picture'; known: boxes, image"),
        ({"boxes": ("application/json", b"[]")}, "no part named 'image'"),
    ],
)
def test_parts_are_checked(server, parts, sentence):
    refused = ask_parts(server, "/v1/redact", parts)
    assert refused.status == 422
    assert sentence in problem_in(refused)["detail"]


@pytest.mark.parametrize(
    ("boundary", "body"),
    [
        ("x" * 300, b"--" + b"x" * 300 + b"--\r\n"),
        ("B", b"--secret text"),
        ("B", b"--B\r\nConten\xe9t: x\r\n\r\n"),
    ],
)
def test_malformed_multipart_is_refused_and_not_logged(server, caplog, boundary, body):
    refused = ask(server, "/v1/redact", body, Content_Type=f"multipart/form-data; boundary={boundary}")
    assert refused.status == 422
    assert "malformed" in problem_in(refused)["detail"]
    assert caplog.records == []


def test_multipart_that_is_cut_off_is_refused(server):
    content_type, body = encode({"image": ("image/jpeg", MARKET)})
    refused = ask(server, "/v1/redact", body[:-4], Content_Type=content_type)
    assert refused.status == 422
    refused = ask(server, "/v1/redact", body, Content_Type="multipart/form-data")
    assert "malformed" in problem_in(refused)["detail"]


def test_parts_keep_every_byte():
    data = bytes(range(256)) * 20 + b"\r\n--\r\n\n\r--boundary"
    assert parse(*encode({"a": ("image/jpeg", data), "b": ("text/plain", b"")})) == {"a": data, "b": b""}


def test_compressed_bodies_are_refused(server):
    refused = ask(server, "/v1/redact", MARKET, Content_Encoding="gzip")
    assert refused.status == 415


def test_neither_a_record_nor_an_error_names_a_file(server):
    content_type, body = encode({"image": ("image/jpeg", MARKET)})
    body = body.replace(b'filename="image"', b'filename="secret.jpg"')
    answer = ask(server, "/v1/redact", body, Content_Type=content_type)
    assert answer.status == 200
    assert "secret" not in str(answer.headers)
    assert b"secret" not in server.ask("GET", "/metrics").body


def test_panoramax_gets_jpeg_with_a_header(server):
    """The requests of sgblur's own tests (tests/test_blur.py and test_blur_split.py)."""
    answer = ask_parts(server, "/blur/", {"picture": ("image/jpeg", MARKET)})
    assert answer.status == 200
    detection = json.loads(answer.headers["x-sgblur"])
    assert "salt" in detection
    assert len(detection["info"]) == 11
    assert set(detection["info"][0]) == {"class", "confidence", "xywh"}
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.body == anonymizer()(MARKET).data


def test_panoramax_gets_multipart_where_it_asks_for_it(server):
    """The request of GeoVisio's own client (geovisio/utils/pictures.py, createBlurredHDPicture)."""
    answer = ask_parts(server, "/blur/", {"picture": ("image/jpeg", MARKET)}, Accept="multipart/form-data")
    assert answer.status == 200
    assert "x-sgblur" not in answer.headers
    parts = parse(answer.headers["content-type"], answer.body)
    metadata = json.loads(parts["metadata"])
    assert metadata["annotations"] == []
    assert metadata["blurring_id"] and metadata["service_name"] == "UnionVeil"
    assert Image.open(io.BytesIO(parts["image"])).format == "JPEG"


def test_panoramax_cannot_have_uncovered_parts_kept(server):
    refused = ask_parts(server, "/blur/?keep=1", {"picture": ("image/jpeg", MARKET)})
    assert refused.status == 422
    assert "no part of a picture is kept" in problem_in(refused)["detail"]
    png = ask_parts(server, "/blur/", {"picture": ("image/png", samples.png(samples.RGB))})
    assert png.status == 415


def test_the_service_reports_its_health(server):
    assert json.loads(server.ask("GET", "/healthz").body) == {
        "status": "ok",
        "version": unionveil.__version__,
    }
    metrics = server.ask("GET", "/metrics").body.decode()
    for line in metrics.splitlines():
        assert line.startswith("# ") or re.fullmatch(
            r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.]+', line
        )
    assert "unionveil_places_taken 0" in metrics


def test_the_description_names_every_route_and_setting(server):
    document = json.loads(server.ask("GET", "/openapi.json").body)
    assert set(document["paths"]) == {"/v1/redact", "/v1/find", "/blur/", "/v1/parameters", "/healthz"}
    cells = next(p for p in document["paths"]["/v1/redact"]["post"]["parameters"] if p["name"] == "cells")
    assert cells["schema"] == {"type": "integer", "minimum": 2, "maximum": 10}


def test_the_description_says_what_needs_a_token(submit):
    with running(make_app(submit, access=Access.shared("a-token-of-24-characters"))) as server:
        bearer = {"Authorization": "Bearer a-token-of-24-characters"}
        document = json.loads(server.ask("GET", "/openapi.json", headers=bearer).body)
        for path, routes in document["paths"].items():
            for method, route in routes.items():
                status = server.ask(method.upper(), path, b"").status
                assert str(status) in route["responses"], path
                assert (status == 401) == bool(route.get("security", document["security"])), path


def test_the_description_names_the_kinds_that_boxes_may_have(server):
    document = json.loads(server.ask("GET", "/openapi.json").body)
    form = document["paths"]["/v1/redact"]["post"]["requestBody"]["content"]["multipart/form-data"]
    kinds = form["schema"]["properties"]["boxes"]["items"]["properties"]["kind"]["enum"]
    found = document["components"]["schemas"]["Found"]["properties"]["faces"]["items"]["properties"]
    assert kinds == found["kind"]["enum"] == [kind.name.lower() for kind in Kind]
    for kind in (*kinds, "tree"):
        box = json.dumps([{"xyxy": [10, 10, 60, 60], "kind": kind}]).encode()
        parts = {"image": ("image/jpeg", MARKET), "boxes": ("application/json", box)}
        assert ask_parts(server, "/v1/redact", parts).status == (422 if kind == "tree" else 200)
