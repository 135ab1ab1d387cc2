"""What a recorder notes in a trace of what has no line there.

`# lost 12`: so many events did not fit its buffers. `# failed 3`: so many allocations could not be
served by the recorded system.
"""

from __future__ import annotations

import re

_NOTE = re.compile(rb"^# (failed|lost) (\d{1,19})\r?$", re.MULTILINE)


def noted(text: bytes) -> tuple[int, int]:
    """How many allocations failed and how many events were lost, by all notes in whole lines.

    >>> noted(b"# lost 3\\nalloc,1,0\\n# failed 1\\n# lost 4\\n")
    (1, 7)
    """
    counts = {b"failed": 0, b"lost": 0}
    if b"#" in text:
        for what, count in _NOTE.findall(text):
            counts[what] += int(count)
    return counts[b"failed"], counts[b"lost"]
