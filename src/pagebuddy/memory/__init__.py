"""Where an arena's bytes come from: one medium a file, all behind the Protocol in `medium`.

    anonymous   shared memory without a name, passed on by descriptor
    named       /dev/shm/NAME, for strangers to meet in
    file        any path, for what must outlast its processes
    given       whatever writable memory the caller has

    linked      what named and file share: a path, and how it appears all at once
    mapped      what those three share: a descriptor and its mapping
    mapping     the pair itself, which ends with its last view
    draft, soundness, options, huge, reserve, room, sizes, system      one question each

A medium knows bytes, and nothing of pages, locks or processes. All but `given` and `sizes` need Linux.
"""
