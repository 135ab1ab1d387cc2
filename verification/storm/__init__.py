"""A storm: processes share an arena while one after the other is killed. The survivors must not notice.

    python -m verification.storm --seconds 60

Run by `make storm`, and for a few seconds by tests/verification/test_storm.py.

- `pattern`: bytes that can be checked for changes.
- `worker`: a process that allocates, writes, sends, claims, resizes, forks and frees.
- `weather`: starts workers, kills them at random, reaps, and checks what is left.
- `messages`: the same for a queue: messages are numbered, and none may come twice or be lost.
- `topics`: the same for a topic: what a subscriber does not get counts as missed.
- `pool`: workers of a pool are stopped and killed: a call has its result, or its worker died in it.
- `calls`: what these workers run.
"""
