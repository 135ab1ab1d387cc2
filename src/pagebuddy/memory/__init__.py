"""Where the bytes of an arena come from: one medium per file, all behind one Protocol.

    medium      the Protocol that all media implement

    anonymous   shared memory without a name; processes pass on its file descriptor
    named       shared memory with a name: /dev/shm/NAME
    file        a file at any path, which outlives its processes
    given       a writable buffer that the caller passes in

    linked      base of `named` and `file`: a medium with a path
    mapped      base of `anonymous` and `linked`: a medium that is a mapped file
    mapping     a file descriptor and its mapping, which end with the last view

    file_system   which file system is too small, and what to do
    descriptors   what to do if no file descriptor is left
    draft         a new file that gets its name only when it is complete
    huge          large pages
    kernel_files  read the files of /proc and /sys
    maps          find out whether memory is shared with forked children
    options       check reserve, populate, huge and mode
    reserve       allocate the blocks of a file
    room          how much memory or disk space is available
    sizes         turn "64 KiB" into bytes
    soundness     which existing files are trusted
    system        system calls for mapped memory
    untracked     arrays that the garbage collector does not know

A medium handles bytes; it knows nothing about pages, locks or processes. `sharing` and `arena` use it.
Only `given` and `sizes` work outside Linux.
"""
