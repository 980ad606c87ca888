"""What stands at the end of a test run's output: all that failed, and why."""

import os
import subprocess

from harness import ROOT, expect, expect_text

# cmocka's own words, and make's.
UNIT = """[ RUN      ] adds_up
[  ERROR   ] --- 0x1 != 0x2
[   LINE   ] --- tests/unit/test_sum.c:6: error: Failure!
[  FAILED  ] adds_up
[ RUN      ] says_why
[  ERROR   ] --- shown and passed
[       OK ] says_why
[ RUN      ] begins
Could not run test: Test setup failed
[  ERROR   ] begins
[  PASSED  ] 1 test(s).
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] adds_up
FAILED: build/san/tests/unit/test_sum (exit status 2)
vmm/sum.c:7:3: error: 'b' undeclared
make[1]: *** [Makefile:9: unit] Error 1
"""
MACHINE = """FAIL test_sum.test_two (9 s): one is missing
    | one
summary:
  FAIL test_sum.test_two: one is missing
    | one
  longest: test_sum.test_two 9 s
0 passed, 1 failed, 0 skipped
"""


def failures(output):
    return subprocess.run([os.path.join(ROOT, "tests/failures")], input=output, stdout=subprocess.PIPE, check=True,
                          text=True).stdout.splitlines()


def test_units_are_told_once_with_their_reason():
    got = failures(UNIT)
    expect(len(got) == 5, "five things failed, not %s" % got)
    expect_text(got[0], "adds_up", "0x1 != 0x2", "test_sum.c:6")
    expect_text(got[1], "begins", "setup failed")
    expect_text("\n".join(got[2:]), "exit status 2", "'b' undeclared", "Error 1")


def test_summary_of_the_machine_tests_is_passed_on():
    expect(failures(MACHINE) == MACHINE.splitlines()[3:6], "all between the two lines, and nothing else")
