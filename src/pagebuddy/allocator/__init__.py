"""The page allocator: `BuddyAllocator`, `PageRanges` and `Stats`, for pages with or without memory."""
