import numpy as np
import pytest

from unionveil.images import Colour, Encoding, Frame, Patch
from unionveil.images.lossy import faithful, lossy_writer, luma_psnr_db

GREY = Frame(np.full((6, 8, 1), 100, np.uint8), Colour.GREY)


def shifted(by):
    return Frame(np.full((6, 8, 1), 100 + by, np.uint8), Colour.GREY)


def test_psnr_is_that_of_the_luma():
    assert luma_psnr_db(GREY, GREY) == np.inf
    assert luma_psnr_db(GREY, shifted(1)) == pytest.approx(48.13, abs=0.01)  # 20 log10 255
    blue = np.zeros((6, 8, 3), np.uint8)
    bluer = blue.copy()
    bluer[..., 2] = 10
    psnr = luma_psnr_db(Frame(blue, Colour.RGB), Frame(bluer, Colour.RGB))
    assert psnr == pytest.approx(48.13 - 20 * np.log10(1.14), abs=0.01)


def test_tall_pictures_are_measured_whole():
    pixels = np.zeros((300, 8000, 1), np.uint8)
    other = pixels.copy()
    other[-1] = 255
    assert luma_psnr_db(Frame(pixels, Colour.GREY), Frame(other, Colour.GREY)) == pytest.approx(
        24.77, abs=0.01
    )


@pytest.mark.parametrize(("errors", "taken"), [([5, 2, 1], 1), ([2, 5], 0), ([9, 8, 7], 2)])
def test_the_first_faithful_setting_is_chosen(errors, taken):
    encode = {index: bytes([error]) for index, error in enumerate(errors)}
    data = faithful([GREY], encode.__getitem__, lambda data: [shifted(data[0])], range(len(errors)))
    assert data == bytes([errors[taken]])


def test_coded_data_are_kept_where_no_patch_lies():
    frames = (GREY,)
    patch = Patch(slice(0, 1), slice(0, 1), np.zeros((1, 1, 1), np.uint8))
    write = lossy_writer(frames, lambda frames: b"anew", lambda: b"kept")
    assert write([()]).encoding is Encoding.KEPT
    assert write([(patch,)]).encoding is Encoding.PIXELS
    assert lossy_writer(frames, lambda frames: b"anew", lambda: None)([()]).data == b"anew"
