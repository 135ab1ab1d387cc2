"""What travels between processes, its bytes staying in the arena: objects, messages, calls."""
