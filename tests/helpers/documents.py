"""Looks things up in documents that were read from JSON or YAML. Where something is missing, the test fails."""


def at(document: object, *path: str | int) -> object:
    """Return what is at a path of keys and indexes."""
    for step in path:
        if isinstance(step, str):
            assert isinstance(document, dict), f"{step!r} of {document!r}"
            document = document[step]
        else:
            assert isinstance(document, list), f"{step!r} of {document!r}"
            document = document[step]
    return document


def mapping(document: object, *path: str | int) -> dict[str, object]:
    """Return the object (JSON) or mapping (YAML) at a path."""
    found = at(document, *path)
    assert isinstance(found, dict), found
    return found


def items(document: object, *path: str | int) -> list[object]:
    """Return the array (JSON) or sequence (YAML) at a path."""
    found = at(document, *path)
    assert isinstance(found, list), found
    return found


def string(document: object, *path: str | int) -> str:
    """Return the string at a path."""
    found = at(document, *path)
    assert isinstance(found, str), found
    return found
