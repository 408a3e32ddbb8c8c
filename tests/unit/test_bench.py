"""The benchmarks' own parts: the page keeps its sections, tables say what is dirty, a run prints what others read."""

from pathlib import Path

import pytest

from bench.entries import Entry
from bench.results import RESULTS, table, write_section
from bench.rounds import good, ratio
from bench.sections import ALL, jobs_per_s, quality, throughput
from bench.subject import Subject, measure

PAGE = """# Results

Intro.

<!-- begin w1 -->
old
<!-- end w1 -->

Between.

<!-- begin claim -->
kept \\1
<!-- end claim -->
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "RESULTS.md"
    path.write_text(PAGE)
    return path


def line(number: int, figure: float, *, dirty: bool = False) -> dict[str, object]:
    return {
        "round": number,
        "jobs_per_s": figure,
        "submit_per_s": 2 * figure,
        "cpu_ms_per_job": {"workers": 0.5, "mariadb": 0.25},
        "foreign": 0.5 if dirty else 0.01,
        "dirty": dirty,
    }


class InMemory(Subject):
    """A system that has finished a job as soon as it has it."""

    name = "in memory"
    ready_seconds = 0.0

    def setup(self, mode: str) -> None:
        self.jobs: set[int] = set()

    def start(self, mode: str) -> None:
        self.spawn("sleep", "60")

    def submit_one(self, number: int, mode: str) -> None:
        self.jobs.add(number)

    def count_done(self) -> int:
        return len(self.jobs)

    def done_among(self, numbers):
        return self.jobs & set(numbers)


def test_a_section_is_replaced_and_the_others_stay(page):
    write_section("w1", "new \\g<0> | text", path=page)
    assert page.read_text() == PAGE.replace("old", "new \\g<0> | text")


def test_writing_the_same_section_again_changes_nothing(page):
    write_section("claim", "once", path=page)
    first = page.read_text()
    write_section("claim", "once", path=page)
    assert page.read_text() == first


def test_a_new_section_goes_to_the_end(page):
    write_section("fresh", "text", path=page)
    assert page.read_text() == PAGE + "\n<!-- begin fresh -->\ntext\n<!-- end fresh -->\n"


def test_the_page_of_the_project_has_a_place_for_every_section():
    text = RESULTS.read_text()
    assert [name for name in [*ALL, "accuracy", "admin"] if f"<!-- begin {name} -->" not in text] == []


def test_a_table_has_a_rule_under_its_headings():
    assert table(["system", "jobs/s"], [["a", 1]]) == "| system | jobs/s |\n| --- | ---: |\n| a | 1 |"


def test_dirty_runs_are_left_out_where_there_are_clean_ones():
    runs = [line(0, 100), line(1, 10, dirty=True)]
    assert [run["jobs_per_s"] for run in good(runs)] == [100]
    assert [run["jobs_per_s"] for run in good(runs[1:])] == [10]


def test_a_ratio_is_taken_within_rounds():
    ours, theirs = [line(0, 100), line(1, 400), line(2, 90)], [line(0, 50), line(1, 100), line(2, 30)]
    assert ratio(ours, theirs, jobs_per_s) == 3.0


def test_runs_that_share_no_round_are_compared_by_their_medians():
    assert ratio([line(0, 100)], [line(1, 50)], jobs_per_s) == 2.0


def test_a_table_says_what_is_missing_and_what_is_dirty():
    ours = Entry("TaskFlow", "a.py", "w1", 1, "rows")
    peer = Entry("Peer", "b", "w1", 1, "rows", goal="> 1")
    gone = Entry("Gone", "c", "w1", 1, "rows")
    lines = {
        "TaskFlow": [line(0, 1000)],
        "Peer": [line(0, 500, dirty=True)],
        "Gone": [{"round": 0, "error": "missing: no server", "missing": True}],
    }
    text = throughput([ours, peer, gone], lines, "TaskFlow").splitlines()
    assert text[3] == "| Peer | 500 (500–500) | 2.00 | > 1 | 1,000 | 0.75 | 1 dirty | rows |"
    assert text[4] == "| Gone | missing: no server |  |  |  |  |  | rows |"
    assert "1 of 2 runs are dirty" in quality(lines)


@pytest.mark.parametrize(
    ("mode", "fields"),
    [
        ("w1", {"jobs_per_s", "submit_per_s", "seconds"}),
        ("trickle", {"done_ms", "submit_ms", "seen"}),
        ("submit", {"submit_per_s"}),
    ],
)
def test_a_result_line_has_the_fields_that_harnesses_read(mode, fields):
    result = measure(InMemory(), mode, 3)
    costs = {"cpu_ms_per_job", "cpu_total_ms_per_job", "foreign", "cpu_util", "flush_per_job"}
    assert "error" not in result
    assert fields | costs | {"peer", "mode", "n", "at"} <= set(result)


def test_a_system_that_fails_says_so_in_its_line():
    class Broken(InMemory):
        def setup(self, mode: str) -> None:
            raise ConnectionError("no database")

    assert measure(Broken(), "w1", 3)["error"] == "ConnectionError: no database"
