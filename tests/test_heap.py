import subprocess
import sys

import pytest

LOOP = """
class Loop:
    def __init__(self):
        self.itself = self

    def __del__(self):
        print("found")

Loop()
"""


@pytest.mark.parametrize(("end", "shown"), [("", "found\n"), ("heap.end_without_collecting()", "")])
def test_the_end_of_a_process_can_skip_its_search_for_garbage(end, shown):
    code = f"from unionveil import heap\n{LOOP}\n{end}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == shown
