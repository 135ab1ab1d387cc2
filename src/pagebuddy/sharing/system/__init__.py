"""The system calls that sharing needs: the lock between processes, leases, atomic stores, processes."""
