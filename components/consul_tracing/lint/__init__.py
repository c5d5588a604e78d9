"""Rules on entries and on the configuration of proxies."""
