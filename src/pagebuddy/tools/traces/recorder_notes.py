"""Comments in which a recorder counts events that have no line. Used by the CSV formats.

`# lost 12`: 12 events did not fit the recorder's buffers. `# failed 3`: 3 allocations failed in the
recorded system.
"""

from __future__ import annotations

import re

_NOTE = re.compile(rb"^# (failed|lost) (\d{1,19})\r?$", re.MULTILINE)


def noted(text: bytes) -> tuple[int, int]:
    """The sums of failed allocations and of lost events in the notes of these lines.

    >>> noted(b"# lost 3\\nalloc,1,0\\n# failed 1\\n# lost 4\\n")
    (1, 7)
    """
    counts = {b"failed": 0, b"lost": 0}
    if b"#" in text:
        for what, count in _NOTE.findall(text):
            counts[what] += int(count)
    return counts[b"failed"], counts[b"lost"]
