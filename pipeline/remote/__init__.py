"""Remote: how a node works in a container, on another machine than the root.

Read ``mirror.py`` (a root in a bucket, seen as a local folder);
``executor_io.py`` (a node's inputs and outputs as the platform passes them);
``run_notes.py`` (what the report needs of nodes that ran elsewhere);
``tensorboard_sync.py`` and ``secret_manager.py``.
"""
