"""Ports of tests that run at the same time."""

import subprocess
import sys

from scripts.rig import ROOT, free_ports

PROGRAM = """
import random
random.seed(1)
from scripts.rig import free_ports
print(*free_ports(50), flush=True)
input()
"""


def test_processes_are_never_given_the_same_port():
    """Even if chance leads both to the same."""
    command, pipe = [sys.executable, "-c", PROGRAM], subprocess.PIPE
    given = list[str]()
    with (
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as one,
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as other,
    ):
        for process in (one, other):
            assert process.stdout is not None
            given += process.stdout.readline().split()
        for process in (one, other):
            process.communicate("\n")
    assert len(set(given)) == len(given) == 100


def test_a_port_is_given_again_only_after_many_others():
    assert len(set(free_ports(20) + free_ports(20))) == 40
