"""Rules for tests, intervals and verdicts, independent of any study."""
