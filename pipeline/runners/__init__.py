"""Runners: every one of them ends in ``Component.execute``.

Reading order: ``local`` (schedules nodes), ``worker_process`` (its side of a worker),
``worker`` (the process that executes nodes), ``run_component`` (the entry point of a
container), ``container`` (one node in a container), ``kfp_local`` (KFP's local runner).
"""
