"""Reads traces of allocations in several formats.

trace             a trace in a file: finds the format and yields events
events            the events, formats and errors that all share
page_csv          CSV of pages: event,pfn,order
byte_csv          CSV of bytes: op,id,bytes
ftrace            text of the kernel's ftrace
rmm_log           logs of RAPIDS' memory manager
torch_snapshot    snapshots of PyTorch's memory
recorder_notes    comments in which a recorder counts lost and failed events
columns           parses CSV with numpy
text_file         whole lines of a file
content           bytes of a file, gzipped or not
"""
