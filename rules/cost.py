"""What an expression may cost, judged before it runs: one loop is linear in the profile, a loop in a loop is not.

CEL has no recursion, its regular expressions are linear, and the library stops after 10,000 steps; a step may still
join or match long texts. Ninety attributes looped over twice would take a tenth of a second, so that is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"\.\s*(?P<loop>exists_one|exists|all|map|filter)\s*\(|(?P<open>[(\[{])|(?P<close>[)\]}])")


def nested_loops(code: str) -> Iterator[int]:
    """Where, in a source whose strings are blanked out, a loop begins inside another's arguments."""
    depth, loops = 0, list[int]()
    for token in _TOKEN.finditer(code):
        if token["close"]:
            depth -= 1
            if loops and depth < loops[-1]:
                loops.pop()
            continue
        depth += 1
        if token["loop"]:
            if loops:
                yield token.start("loop")
            loops.append(depth)
