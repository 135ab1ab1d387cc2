"""One framework a file: what its users change is one line, and its bytes are in an arena.

An adapter imports its framework, and nothing else imports an adapter. Where an arena cannot be used, an
adapter does what the framework alone would do, and counts this.
"""
