"""After a process died inside an operation: taking over, proving and mending."""
