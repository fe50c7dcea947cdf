"""The integration as HACS downloads it: the content of its folder and the licence, the same bytes on every machine."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

# Zip knows no moment before 1980; this is the one that the wheel has, too.
MOMENT = 2020, 2, 2, 0, 0, 0
READABLE = 0o644
UNIX = 3


INTEGRATION = Path("custom_components/spark_audio")
LICENSE = Path("LICENSE")


def files(checkout: Path) -> dict[Path, Path]:
    """Return each file's place within the zip, in its order, and its path: the integration's, and the licence.

    HACS unpacks the zip into the integration's folder, where Home Assistant minds no licence. What Python has cached is
    left out.
    """
    folder = checkout / INTEGRATION
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    found = {place: path for place, path in found.items() if "__pycache__" not in place.parts}
    return dict(sorted({**found, LICENSE: checkout / LICENSE}.items(), key=_name))


def pack(checkout: Path, archive: Path) -> None:
    """Write the integration of `checkout` into the zip file `archive`, without its folder's name, as HACS expects."""
    with ZipFile(archive, "w", ZIP_DEFLATED) as writing:
        for place, path in files(checkout).items():
            entry = ZipInfo(place.as_posix(), MOMENT)
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = UNIX
            entry.external_attr = READABLE << 16
            writing.writestr(entry, path.read_bytes())


def _name(file: tuple[Path, Path]) -> str:
    return file[0].as_posix()
