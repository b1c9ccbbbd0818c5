#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
"""What tally.py must not miss: a count is worth what it does with programs that end badly."""

import unittest

from tally import parse_tap, program_cases


def verdicts(cases):
    return " ".join(case.verdict for case in cases)


def program(stdout, status=0, result="OK", stderr="", protocol="tap"):
    test = {"name": "x / t", "stdout": stdout, "stderr": stderr, "returncode": status, "result": result}
    return program_cases({**test, "command": ["t", "--tap"]}, protocol)


class Tally(unittest.TestCase):
    def test_counts_cases(self):
        cases = parse_tap("TAP version 13\n1..3\nok - a::b  (0.00s)\nnot ok 2 - c\n  why\nok - d # SKIP no root\n")
        self.assertEqual(verdicts(cases), "passed failed skipped")
        self.assertEqual(cases[0].name, "a::b")
        self.assertEqual(cases[1].detail, ["why"])
        self.assertEqual(cases[2].detail, ["no root"])

    def test_no_plan_is_a_failure(self):
        self.assertEqual(verdicts(parse_tap("ok - a\n")), "passed failed")
        self.assertEqual(verdicts(parse_tap("")), "failed")

    def test_missing_cases_are_failures(self):
        self.assertEqual(verdicts(parse_tap("1..3\nok - a\n")), "passed failed failed")

    def test_more_than_planned_is_a_failure(self):
        self.assertEqual(verdicts(parse_tap("1..1\nok - a\nok - b\n")), "passed passed failed")

    def test_an_empty_plan_is_a_failure_unless_skipped(self):
        self.assertEqual(verdicts(parse_tap("1..0\n")), "failed")
        self.assertEqual(verdicts(parse_tap("1..0 # SKIP no devices\n")), "skipped")

    def test_bail_out_and_todo_are_failures(self):
        self.assertIn("failed", verdicts(parse_tap("1..1\nok - a\nBail out! no memory\n")))
        self.assertEqual(verdicts(parse_tap("1..1\nnot ok - a # SKIP really\n")), "failed")

    def test_exit_status_counts(self):
        self.assertEqual(verdicts(program("1..1\nok - a\n", status=3)), "passed failed")
        self.assertEqual(verdicts(program("1..1\nnot ok - a\n", status=1)), "failed")
        self.assertEqual(verdicts(program("", status=-11, result="ERROR")), "failed")

    def test_timeout_counts(self):
        self.assertEqual(verdicts(program("1..2\nok - a\n", -15, "TIMEOUT")), "passed failed")

    def test_programs_without_tap(self):
        self.assertEqual(verdicts(program("", protocol="exitcode")), "passed")
        self.assertEqual(verdicts(program("", 66, "FAIL", protocol="exitcode")), "failed")
        self.assertEqual(verdicts(program("not root\n", 77, "SKIP", protocol="exitcode")), "skipped")

    def test_a_sanitizer_report_fails_a_program_that_passes(self):
        self.assertEqual(verdicts(program("1..1\nok - a\n", stderr="a.c:3:1: runtime error: x")), "passed failed")
        report = "==1==ERROR: LeakSanitizer: detected memory leaks"
        self.assertEqual(verdicts(program("", stderr=report, protocol="exitcode")), "passed failed")


if __name__ == "__main__":
    unittest.main()
