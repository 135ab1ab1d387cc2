"""The pair machine: one call on a buffer happens in the middle of another, for every ordered pair.

python -m verification.pair_machine --seconds 60

ground    an arena whose buffers each carry a byte of their own, and what must hold at the end
calls     the calls on a buffer and on its arena
meeting   how the second call gets into the middle of the first: an argument's own code, the garbage
          collector, a switch of threads, or uncompiled at any bytecode of `pagebuddy.buffers`, and in
          turns of so many bytecodes each
"""
