"""A storm: processes share an arena while one after the other is killed, and nothing may go wrong.

python -m verification.storm --seconds 60

pattern    bytes that tell whether they are those that were written
worker     one process: allocates, writes, hands over, claims, resizes, forks, frees
weather    starts the workers, kills them at random, reaps, and looks at what is left
"""
