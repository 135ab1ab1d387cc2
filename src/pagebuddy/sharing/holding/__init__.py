"""Which process holds which buffer, and what else protects a buffer.

holds      the bits of holders, and freeing a buffer that nothing protects
magazine   a process's cache of buffers that it dropped
directory  kept buffers and their keys
tickets    buffers on their way to another process
reaping    ending the holds of dead processes
notes      what is to be logged, as soon as the lock is released
shared_slot  the slot of several processes, which no fork could avoid
"""
