"""Conformance of each detector, and of all of them together."""

from functools import partial

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from checked import float32, read_rgb
from paths import shared_folder
from samples import SCENES
from unionveil import AnonymizeConfig, ModelError
from unionveil.boxes import iou, nms
from unionveil.detect import FaceFinder, load_detector
from unionveil.detect.yolo import Yolo, decode_v5, decode_v8
from unionveil.detect.yunet import YuNet
from unionveil.models.cards import CARDS, DETECTORS, cards_of
from unionveil.models.onnx_session import OnnxSession
from unionveil.models.store import state

BUNDLED = ["retinaface", "haar"]


@pytest.fixture(params=[name for name in DETECTORS if name != "yolo"])
def detector(request):
    """Every detector that has a card, if its weights are installed."""
    if shared_folder() is not None:
        request.getfixturevalue("shared")
    if any(state(card) == "missing" for card in cards_of(request.param)):
        pytest.skip(f"the weights of {request.param} are not here; UNIONVEIL_MODEL_DIR names their folder")
    return load_detector(request.param, 1)


def load(name, long_side=640):
    image = read_rgb(SCENES / name)
    scale = long_side / max(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale


def test_finds_the_faces_of_the_market(detector, scene_boxes):
    image, scale = load("market.jpg")
    truth = scene_boxes["market.jpg"] * scale
    faces = detector(image, detector.card.threshold)
    found = iou(truth, faces.xyxy).max(axis=1, initial=0) > 0.4
    assert found.sum() >= (9 if "haar" not in detector.card.name else 5)


def test_gives_checked_sorted_finite_faces(detector):
    image, _ = load("crowd.jpg")
    faces = detector(image, 0.3)
    assert len(faces)
    assert (np.diff(faces.score) <= 0).all()
    assert ((faces.score >= 0.3) & (faces.score <= 1)).all()
    assert np.isfinite(faces.xyxy).all()
    assert (faces.xyxy[:, 2:] > faces.xyxy[:, :2]).all()


def test_writes_nothing_into_the_picture(detector):
    image, _ = load("market.jpg")
    before = image.copy()
    detector(image, 0.5)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 200), (31, 33), (640, 1)])
def test_takes_pictures_of_any_size(detector, size_wh):
    faces = detector(np.full((size_wh[1], size_wh[0], 3), 127, np.uint8), 0.9)
    assert np.isfinite(faces.xyxy).all()


def test_a_higher_threshold_gives_fewer_faces(detector):
    image, _ = load("crowd.jpg")
    counts = [len(detector(image, threshold)) for threshold in (0.2, 0.5, 0.9)]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.shared
def test_yunet_agrees_with_opencvs_own_implementation(shared, tmp_path):
    """OpenCV decodes the same graph in C++: an independent reference for scores, boxes and landmarks."""
    image, _ = load("market.jpg", 960)
    image = image[:640]
    card = CARDS["yunet"]
    ours = YuNet(card, partial(OnnxSession, threads=1)).candidates(image, 0.6)
    ours = ours[nms(ours.xyxy, ours.score, card.nms_iou)]
    height, width = image.shape[:2]
    graph = onnx.load(shared / "models" / card.file)
    for axis, length in ((0, 1), (2, height), (3, width)):  # OpenCV reads only graphs of a fixed size
        graph.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = length
    path = str(tmp_path / "fixed.onnx")
    onnx.save(graph, path)
    reference = cv2.FaceDetectorYN.create(path, "", (width, height), 0.6, card.nms_iou)
    _, rows = reference.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert len(rows) == len(ours)
    theirs = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
    pairs = iou(ours.xyxy, theirs.astype(np.float32))
    assert (pairs.max(axis=1) > 0.98).all()
    match = pairs.argmax(axis=1)
    assert np.abs(ours.score - rows[match, 14]).max() < 0.01
    # OpenCV lists the subject's right eye first, which is on the left in the picture, as in our order.
    assert np.abs(ours.landmarks.reshape(-1, 10) - rows[match, 4:14]).max() < 1.0


def yolo(path):
    return load_detector(f"yolo:{path}", 1)


def yolo_graph(path, output, name="output0"):
    """A graph that accepts any picture of 640x640 and always returns `output`."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["images"], ["sum"], keepdims=0),
            helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
            helper.make_node("Add", ["constant", "nothing"], [name]),
        ],
        "yolo",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 640, 640])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(output.shape))],
        [
            helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("constant", TensorProto.FLOAT, output.shape, output.ravel().tolist()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


V5_ROW = [100, 80, 40, 60, 0.9, *range(90, 100), 0.8]
V8_COLUMN = [100, 80, 40, 60, 0.7, *(value for i in range(5) for value in (90 + i, 70 + i, 0.5))]


def test_yolov5_layout(tmp_path):
    output = np.zeros((1, 30, 16), np.float32)
    output[0, 3], output[0, 4] = V5_ROW, V5_ROW  # a duplicate, to be suppressed
    detector = yolo(yolo_graph(tmp_path / "v5.onnx", output))
    image = np.zeros((480, 640, 3), np.uint8)
    network = Yolo(cards_of(f"yolo:{tmp_path / 'v5.onnx'}")[0], partial(OnnxSession, threads=1))
    assert network.candidates(image, 0.5).score.tolist() == pytest.approx([0.72, 0.72])
    faces = detector(image, 0.5)
    assert faces.xyxy.tolist() == [[80, 50, 120, 110]]
    assert faces.landmarks[0].tolist() == [[90, 91], [92, 93], [94, 95], [96, 97], [98, 99]]
    assert detector.fixed_wh == (640, 640)


@pytest.mark.parametrize("channels", [5, 15, 20])
def test_yolov8_layout(tmp_path, channels):
    column = (
        V8_COLUMN
        if channels == 20
        else [v for i, v in enumerate(V8_COLUMN) if i < 5 or i % 3 != 1][:channels]
    )
    output = np.zeros((1, channels, 40), np.float32)
    output[0, :, 7] = column
    faces = yolo(yolo_graph(tmp_path / "v8.onnx", output))(np.zeros((640, 640, 3), np.uint8), 0.5)
    assert faces.xyxy.tolist() == [[80, 50, 120, 110]]
    if channels == 5:
        assert np.isnan(faces.landmarks).all()
    else:
        assert faces.landmarks[0].tolist() == [[90 + i, 70 + i] for i in range(5)]


def test_yolo_through_tiles_on_a_large_picture(tmp_path):
    """A fixed-size network sees a large picture in tiles, and the boxes return to their places."""
    output = np.zeros((1, 1, 16), np.float32)
    output[0, 0] = V5_ROW
    # This graph answers the same for a mirrored picture, so the two views would contradict each other.
    config = AnonymizeConfig(detector=f"yolo:{yolo_graph(tmp_path / 'v5.onnx', output)}", mirror="no")
    faces = FaceFinder(config, 1)(np.zeros((2000, 3000, 3), np.uint8))
    assert len(faces) > 4  # one per view
    assert faces.xyxy[:, 0].min() >= 0
    assert faces.xyxy[:, 2].max() <= 3000


def test_decoders_keep_boxes_that_reach_the_threshold():
    rows = float32([V5_ROW, [*V5_ROW[:4], 0.5, *V5_ROW[5:]]])
    assert len(decode_v5(rows, 0.41)) == 1
    assert len(decode_v8(float32([V8_COLUMN]).T, 0.71)) == 0


@pytest.mark.parametrize(
    ("shape", "sentence"), [((1, 30, 7), "YOLOv5-face has"), ((1, 6, 40), "YOLOv5-face has")]
)
def test_another_layout_is_a_clear_error(tmp_path, shape, sentence):
    detector = yolo(yolo_graph(tmp_path / "odd.onnx", np.zeros(shape, np.float32)))
    with pytest.raises(ModelError, match=sentence):
        detector(np.zeros((64, 64, 3), np.uint8), 0.5)


def test_a_file_that_is_not_a_model_is_a_clear_error(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        yolo(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ModelError, match="cannot be loaded as an ONNX model"):
        yolo(tmp_path / "text.onnx")


def test_several_detectors_unite_their_faces(scene_boxes):
    image = read_rgb(SCENES / "market.jpg")
    alone = {name: FaceFinder(AnonymizeConfig(detector=name, detail="fast"), 1)(image) for name in BUNDLED}
    both = FaceFinder(AnonymizeConfig(detector=",".join(BUNDLED), detail="fast"), 1)(image)
    assert len(both) >= max(len(faces) for faces in alone.values())
    for faces in alone.values():
        for box in faces.xyxy:
            covered = np.maximum(both.xyxy[:, :2], box[:2]) <= np.minimum(both.xyxy[:, 2:], box[2:])
            inside = (both.xyxy[:, :2] <= box[:2] + 0.01).all(1) & (both.xyxy[:, 2:] >= box[2:] - 0.01).all(1)
            assert (covered.all(axis=1) & inside).any()


def test_the_result_does_not_depend_on_the_number_of_threads():
    image = read_rgb(SCENES / "crowd.jpg")
    one, two = (FaceFinder(AnonymizeConfig(), threads)(image) for threads in (1, 2))
    assert np.array_equal(one.xyxy, two.xyxy)
    assert np.array_equal(one.score, two.score)
