"""What is known about a training process: who answers for it, which code, which job, where.

This room runs inside somebody's training. It imports the standard library only, never raises
into the caller, never opens a connection, and never waits long.
"""
