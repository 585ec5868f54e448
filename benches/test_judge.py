# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios, goals and what is slower, on figures made up here."""

import unittest

from benches import judge


def sample(wall, **others):
    return {
        "wall": wall,
        "user": 0.0,
        "system": 0.0,
        "peak": 1 << 20,
        "written": 0,
        "inside": None,
        "size": None,
        **others,
    }


def case(own, peer, **others):
    return {
        "name": "case",
        "size": 1,
        "metric": "wall",
        "memory": None,
        "goals": [],
        "contenders": [
            {"name": "own", "role": "library", "samples": [sample(wall) for wall in own]},
            {"name": "peer", "role": "peer", "samples": [sample(wall) for wall in peer]},
        ],
        **others,
    }


class Middle(unittest.TestCase):
    def test_the_median_of_an_odd_and_an_even_number(self):
        self.assertEqual(judge.middle([sample(wall) for wall in (9, 1, 2)], "wall"), 2)
        self.assertEqual(judge.middle([sample(wall) for wall in (4, 1, 2, 9)], "wall"), 3)

    def test_what_was_not_measured_does_not_count(self):
        self.assertEqual(judge.middle([sample(1), sample(1, inside=0.5)], "inside"), 0.5)
        self.assertIsNone(judge.middle([sample(1)], "inside"))
        self.assertIsNone(judge.middle([], "wall"))

    def test_the_spread_is_the_least_and_the_most(self):
        self.assertEqual(judge.spread([sample(wall) for wall in (3, 1, 2)], "wall"), (1, 3))


class Goals(unittest.TestCase):
    def test_a_ratio_is_reached_up_to_its_factor(self):
        goal = {"words": "", "subject": "own", "peer": "peer", "factor": 0.4}
        self.assertEqual(judge.judged(case([2], [5]), goal), (True, 0.4))
        reached, ratio = judge.judged(case([3], [5]), goal)
        self.assertEqual((reached, round(ratio, 9)), (False, 0.6))

    def test_a_limit_is_of_the_metric_itself(self):
        goal = {"words": "", "subject": "own", "metric": "inside", "limit": 0.001}
        measured = case([1], [1])
        measured["contenders"][0]["samples"] = [sample(1, inside=0.002)]
        self.assertEqual(judge.judged(measured, goal), (False, 0.002))

    def test_without_a_peer_nothing_is_judged(self):
        goal = {"words": "", "subject": "own", "peer": "someone else", "factor": 1}
        self.assertEqual(judge.judged(case([1], [1]), goal), (None, None))
        self.assertEqual(judge.judged(case([], [1]), {**goal, "peer": "peer"}), (None, None))

    def test_the_librarys_largest_peak_is_held_against_the_promise(self):
        measured = case([1, 1], [1], memory="reading")
        measured["contenders"][0]["samples"][1]["peak"] = 65 << 20
        measured["contenders"][1]["samples"][0]["peak"] = 999 << 20
        self.assertEqual(judge.memory(measured), ("own", 65 << 20, 64 << 20))
        self.assertIsNone(judge.memory(case([1], [1])))


class Slower(unittest.TestCase):
    def lines(self, new, old):
        return judge.slower({"cases": [new]}, {"cases": [old]})

    def test_a_third_more_of_the_peers_time_is_said(self):
        self.assertEqual(len(self.lines(case([4], [10]), case([3], [10]))), 1)
        self.assertIn("case: own takes 0.4 of peer's time, 0.3 before", self.lines(case([4], [10]), case([3], [10]))[0])

    def test_less_than_that_is_not(self):
        self.assertEqual(self.lines(case([3.8], [10]), case([3], [10])), [])

    def test_a_slower_machine_is_not_a_slower_library(self):
        self.assertEqual(self.lines(case([30], [100]), case([3], [10])), [])

    def test_other_sizes_and_other_cases_are_not_compared(self):
        self.assertEqual(self.lines(case([9], [10]), case([3], [10], size=2)), [])
        self.assertEqual(self.lines(case([9], [10]), case([3], [10], name="another")), [])
        self.assertEqual(judge.slower({"cases": [case([9], [10])]}, {}), [])


class Updated(unittest.TestCase):
    def test_a_later_run_replaces_its_cases_and_leaves_the_others(self):
        old = {"date": "then", "cases": [case([1], [2], name="a"), case([3], [4], name="b")]}
        new = judge.updated(old, {"date": "now", "cases": [case([5], [6], name="b")]})
        self.assertEqual(new["date"], "then")
        self.assertEqual(new["later"], ["b"])
        self.assertEqual([judge.value(one, "own", "wall") for one in new["cases"]], [1, 5])
        again = judge.updated(new, {"cases": [case([7], [8], name="a")]})
        self.assertEqual(again["later"], ["a", "b"])

    def test_what_was_skipped_and_is_measured_later_is_skipped_no_more(self):
        old = {"cases": [], "skipped": [["a", "no room"], ["b", "no program"]]}
        new = judge.updated(old, {"cases": [case([1], [2], name="a")]})
        self.assertEqual(new["skipped"], [["b", "no program"]])

    def test_a_new_case_of_a_later_run_comes_last(self):
        new = judge.updated({"cases": [case([1], [2], name="a")]}, {"cases": [case([5], [6], name="b")]})
        self.assertEqual([one["name"] for one in new["cases"]], ["a", "b"])


if __name__ == "__main__":
    unittest.main()
