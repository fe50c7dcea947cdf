"""The integration as HACS downloads it: the content of its folder, the same bytes whoever packs it."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

# Zip knows no moment before 1980; this is the one that the wheel has, too.
MOMENT = 2020, 2, 2, 0, 0, 0
READABLE = 0o644
UNIX = 3


def files(folder: Path) -> list[Path]:
    """The files of the integration, relative to its folder, in the zip's order. What Python has cached is left out."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted((path for path in found if "__pycache__" not in path.parts), key=Path.as_posix)


def pack(folder: Path, archive: Path) -> None:
    """Write the content of `folder` into the zip file `archive`, without the folder's own name, as HACS expects."""
    with ZipFile(archive, "w", ZIP_DEFLATED) as writing:
        for path in files(folder):
            entry = ZipInfo(path.as_posix(), MOMENT)
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = UNIX
            entry.external_attr = READABLE << 16
            writing.writestr(entry, (folder / path).read_bytes())
