# SPDX-License-Identifier: Apache-2.0
"""The report and the pictures, of figures made up here."""

import json
import unittest
from pathlib import Path
from xml.etree import ElementTree

from benches import __main__ as program
from benches import cases, plot, report, summary
from benches.cases.peers import PODMAN
from benches.model import Settings
from benches.test_judge import case, sample

MACHINE = {
    "processor": "a processor",
    "cores": 2,
    "memory": 8 << 30,
    "kernel": "6.1",
    "virtual": True,
    "file system": "ext4",
    "load": 0.5,
    "versions": {"GNU tar": "1.34"},
}


def whole():
    """Results with one case that reached its goal, and one that didn't run."""
    own, peer, limit = (
        {"name": name, "role": role, "command": f"{name} it", "samples": [sample(wall), sample(wall)]}
        for name, role, wall in (("own", "library", 0.25), ("peer", "peer", 1.0), ("calls", "limit", 0.125))
    )
    return {
        "command": "make bench",
        "date": "2026-01-02",
        "version": "0.1.0",
        "quick": False,
        "machine": MACHINE,
        "skipped": [["other", "no disk"]],
        "cases": [
            {
                **case([], []),
                "title": "A case, named",
                "data": "some data",
                "note": "A note.",
                "runs": 2,
                "plot": None,
                "group": "Small files",
                "contenders": [own, peer, limit],
                "goals": [{"words": "half of peer's", "subject": "own", "peer": "peer", "factor": 0.5}],
            }
        ],
    }


class Words(unittest.TestCase):
    def test_times_have_the_unit_that_suits_them(self):
        self.assertEqual(
            [plot.duration(seconds) for seconds in (12.3456, 1, 0.0123456, 0.00000212)],
            ["12.3 s", "1 s", "12.3 ms", "2.12 µs"],
        )

    def test_bytes_too(self):
        self.assertEqual(
            [report.bytes_of(number) for number in (12, 1536, 1 << 30, 134 << 20, -1)],
            ["12 B", "1.5 KiB", "1 GiB", "134 MiB", "?"],
        )

    def test_ratios(self):
        self.assertEqual(
            [report.times(number) for number in (0.00812, 0.4567, 23.4, 812.3, None)],
            ["0.0081x", "0.457x", "23.4x", "812x", ""],
        )


class Report(unittest.TestCase):
    def rows(self, text, first):
        """The cells of the row that begins so."""
        found = [row for row in text.splitlines() if row.startswith(f"| {first}")]
        self.assertEqual(len(found), 1, found)
        return [cell.strip() for cell in found[0].strip("|").split("|")]

    def test_a_case_has_medians_ratios_and_commands(self):
        text = report.markdown(whole(), {})
        self.assertEqual(self.rows(text, "**own**")[1:4], ["250 ms", "250 ms to 250 ms", ""])
        self.assertEqual(self.rows(text, "peer")[1:4], ["1 s", "1 s to 1 s", "0.25x"])
        self.assertEqual(self.rows(text, "*limit:* calls")[3], "2x")
        self.assertIn("own    own it\n", text)

    def test_goals_say_what_was_reached_and_what_the_limit_is(self):
        row = self.rows(report.markdown(whole(), {}), "[half of peer's](#a-case-named)")
        self.assertEqual(row[1:], ["0.25x", "yes", "0.125x"])
        results = whole()
        results["cases"][0]["goals"][0]["factor"] = 0.2
        self.assertEqual(self.rows(report.markdown(results, {}), "[half of peer's]")[2], "**no**")

    def test_what_did_not_run_is_said(self):
        self.assertIn("- other: no disk", report.markdown(whole(), {}))

    def test_every_row_has_as_many_cells_as_its_header(self):
        results = whole()
        results["cases"][0].update(name="import-zstd")
        tables = [[]]
        for row in report.markdown(results, {}).splitlines():
            if row.startswith("|"):
                tables[-1].append(row.count("|"))
            elif tables[-1]:
                tables.append([])
        tables = [set(table) for table in tables if table]
        self.assertEqual([len(table) for table in tables], [1] * 5)

    def test_it_opens_with_the_works_that_were_measured_beside_what_people_have(self):
        results = whole()
        peer, podman = ({**results["cases"][0]["contenders"][1], "name": name} for name in ("GNU tar", PODMAN))
        podman["samples"] = [sample(0.2)]
        results["cases"][0]["name"] = "ext4/import"
        results["cases"][0]["contenders"] += [peer, podman]
        text = report.markdown(results, {})
        row = self.rows(text, "unpack a checkpoint with 1 GiB of memory, ext4")
        self.assertEqual(row[1:], ["**250 ms**", "200 ms", "1.25x", "`GNU tar`", "1 s", "0.25x"])
        self.assertIn("at 0 of 1 works; not so: unpack a checkpoint", " ".join(text.split()))
        self.assertLess(text.index("## In short"), text.index(f"## {report.AIMS}"))

    def test_every_work_of_the_summary_is_a_case_with_such_contenders(self):
        settings = Settings(Path("/"), Path("/"), Path("/"), 5, False)
        names = {case.name for place in cases.PLACES for case in cases.of_place(place, settings)}
        self.assertEqual([name for _, name, *_ in summary.WORKS if name not in names], [])

    def test_results_are_read_back_as_they_were(self):
        self.assertEqual(json.loads(program.lines_of(whole())), whole())


class Cases(unittest.TestCase):
    def all(self, quick):
        settings = Settings(Path("/"), Path("/"), Path("/"), 5, quick)
        return [case for place in cases.PLACES for case in cases.of_place(place, settings)]

    def test_names_and_titles_are_unique(self):
        for quick in False, True:
            for field in "name", "title":
                values = [getattr(case, field) for case in self.all(quick)]
                self.assertEqual(len(values), len(set(values)))

    def test_each_is_in_the_report_or_in_a_plot(self):
        for one in self.all(False):
            self.assertTrue(one.group in report.GROUPS if not one.plot else one.plot[0] in report.TITLES, one.name)


class Pictures(unittest.TestCase):
    def test_a_picture_is_xml_with_a_line_and_a_label_each(self):
        text = plot.picture(
            "a < b", [("libcrutils", [(64, 0.001), (4096, 0.002)]), ("tar & co", [(64, 0.1), (4096, 6.0)])]
        )
        tree = ElementTree.fromstring(text)
        lines = tree.findall("{http://www.w3.org/2000/svg}polyline")
        words = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
        self.assertEqual(len(lines), 2)
        self.assertEqual([line.get("stroke-dasharray") is None for line in lines], [True, False])
        self.assertIn("a < b", words)
        self.assertIn("tar & co, 6 s", words)
        self.assertIn("4 GiB", words)

    def test_more_time_is_higher_up_and_more_memory_further_right(self):
        axes = plot.Axes([64, 4096], [0.001, 1.0])
        self.assertLess(axes.y(1.0), axes.y(0.001))
        self.assertLess(axes.x(64), axes.x(4096))
        self.assertEqual(list(axes.powers), [-3, -2, -1, 0])

    def test_one_point_alone_has_a_place(self):
        ElementTree.fromstring(plot.picture("one", [("libcrutils", [(64, 1.0)])]))

    def test_labels_keep_their_distance_and_stay_inside(self):
        placed = plot.spaced([10, 11, 99, 100], 17, 0, 100)
        ordered = sorted(placed)
        self.assertTrue(all(later - sooner >= 17 for sooner, later in zip(ordered, ordered[1:])), placed)
        self.assertTrue(all(0 <= y <= 100 for y in placed), placed)

    def test_series_come_of_the_medians_of_their_cases(self):
        measured = [{**case([1, 3, 2], [9]), "name": f"xfs/import-{mib}", "plot": ["import", mib]} for mib in (64, 256)]
        self.assertEqual(
            plot.series(measured, "import"), [("own, xfs", [(64, 2), (256, 2)]), ("peer, xfs", [(64, 9), (256, 9)])]
        )
        self.assertEqual(plot.series(measured, "export"), [])


if __name__ == "__main__":
    unittest.main()
