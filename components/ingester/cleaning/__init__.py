"""Cleaning: rules that change or remove text."""
