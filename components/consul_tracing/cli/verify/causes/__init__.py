"""Causes of incomplete traces: functions of the evidence, each of one subject."""
