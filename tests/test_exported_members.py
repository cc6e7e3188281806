import unionveil


def test_public_names_are_sorted_and_there():
    assert unionveil.__all__ == sorted(unionveil.__all__)
    for name in unionveil.__all__:
        assert hasattr(unionveil, name)
