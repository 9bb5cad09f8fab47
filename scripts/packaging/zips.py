"""Puts each function's program into a package as Lambda takes it, and says how large they are.

    zips.py PROGRAMS OUT LEVEL FUNCTION…

PROGRAMS holds `<function>/bootstrap`; OUT gets `<function>.zip` and `SHA256SUMS`. The same programs
make the same bytes: nothing in a package says when, where or by whom it was made.
"""

import hashlib
import stat
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# What a cold start has to fetch and unpack. These are not Lambda's limits (50 MB), but ours: a
# dependency that doubles a function shall be noticed.
LIMITS = {"redirect": 2_500_000}
LIMIT = 4_000_000


def pack(program: Path, package: Path, level: int) -> None:
    entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix, whose file modes are in the upper half of `external_attr`.
    entry.external_attr = (stat.S_IFREG | 0o755) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    # Under another name first, so that nobody finds half a package.
    new = package.with_suffix(".zip.new")
    with zipfile.ZipFile(new, "w") as archive:
        archive.writestr(entry, program.read_bytes(), compresslevel=level)
    new.replace(package)


def main(programs: Path, out: Path, level: int, functions: list[str]) -> int:
    with ThreadPoolExecutor(2) as pool:
        made = [
            pool.submit(pack, programs / name / "bootstrap", out / f"{name}.zip", level)
            for name in functions
        ]
        for each in made:
            each.result()

    # Of all that is there, also from earlier runs for other functions.
    sums = [
        f"{hashlib.sha256(package.read_bytes()).hexdigest()}  {package.name}\n"
        for package in sorted(out.glob("*.zip"))
    ]
    (out / "SHA256SUMS").write_text("".join(sums))

    too_large = False
    width = max(len(name) for name in functions)
    print(f"{'':{width}}  program MB  zip MB  limit MB")
    for name in functions:
        program = (programs / name / "bootstrap").stat().st_size
        package = (out / f"{name}.zip").stat().st_size
        # A build without optimisation is for an emulator, which fetches it from its own disk.
        limit = LIMITS.get(name, LIMIT) if level == 9 else None
        over = limit is not None and limit < package
        too_large = too_large or over
        print(
            f"{name:{width}}  {program / 1e6:10.2f}  {package / 1e6:6.2f}  "
            f"{'' if limit is None else f'{limit / 1e6:8.2f}'}{'  TOO LARGE' if over else ''}"
        )
    if too_large:
        print("package: a function is too large: see which dependency it was", file=sys.stderr)
    return 1 if too_large else 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(main(Path(arguments[0]), Path(arguments[1]), int(arguments[2]), arguments[3:]))
