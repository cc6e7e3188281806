import inspect
import pickle

import pytest

from unionveil import errors


def all_errors():
    return [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.UnionVeilError)]


_FACTS = {
    errors.ImageTooLarge: (400_000_000, 200_000_000),
    errors.ModelMissing: ("yunet", "yunet.onnx", ["fetch it"]),
    errors.ModelAltered: ("yunet", "/models/yunet.onnx", "0" * 64, "1" * 64),
    errors.WorkerError: (-9,),
    errors.TooFewPeople: (4, 10),
    errors.StoreError: ("s3://photos", 403),
    errors.MissingExtra: ("unionveil serve", "uvicorn", "web"),
    errors.BodyTooLarge: (64 << 20,),
    errors.RateLimited: (3,),
    errors.Busy: (2,),
    errors.ReviewConflict: (3, 5),
    errors.RetryLater: (2,),
    errors.ResultsError: (["one is missing", "two was altered"],),
}
"""Arguments of the errors that carry more than a sentence."""


@pytest.mark.parametrize("kind", all_errors())
def test_errors_survive_pickling_with_their_facts(kind):
    error = kind(*_FACTS.get(kind, ("what is wrong and what to do",)))
    back = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(back) is kind
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_the_tree_in_the_docstring_is_the_tree():
    for kind in all_errors():
        assert kind.__name__ in (errors.__doc__ or "")
        assert kind.__name__ in errors.__all__


def test_too_large_states_the_size():
    assert "400 megapixels, the limit is 200" in str(errors.ImageTooLarge(400_000_000, 200_000_000))


def test_an_unreadable_file_is_described_without_its_path():
    for error, why in (
        (FileNotFoundError(2, "No such file or directory", "/home/me/a.jpg"), "No such file or directory"),
        (OSError("/home/me/a.jpg"), "OSError"),
    ):
        assert errors.cannot_be_read(error) == f"the file cannot be read: {why}"
        assert errors.cannot_be_read(error, "it") == f"it cannot be read: {why}"
