"""Runners: where and when nodes execute; each ends in ``Component.execute``."""
