"""The benchmark's data and its table. Its figures depend on the machine, so no test looks at them."""

import pytest

from faq.answers import manifest, seedfile
from ops import bench

pytestmark = pytest.mark.pure


def test_the_benchmark_generates_seed_files_that_can_be_imported(tmp_path):
    files = bench.write_seeds(1020, tmp_path)
    assert [file.name for file in files] == ["town-1.txt", "town-2.txt"]
    document = seedfile.parse(files[1].read_bytes())
    about = manifest.parse(files[1].with_suffix(".toml").read_bytes())
    assert len(document.questions) == 20 and not document.warnings
    assert manifest.mismatches(about, document) == ([], [])


def test_the_benchmark_compares_the_median_ratio_with_the_aim():
    rows = [
        bench.row("kept page", 19_000, "/s", [0.8, 0.9, 1.0], "R", least=0.85),
        bench.row("publish one answer", 5.25, "ms", most=4),
    ]
    assert [" ".join(line.split()) for line in bench.table(rows).splitlines()[2:]] == [
        "| kept page | 19,000 /s | 0.90 R (0.80–1.00) | ≥ 0.85 R | met |",
        "| publish one answer | 5.2 ms | | ≤ 4 ms | not met |",
    ]
