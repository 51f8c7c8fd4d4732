"""What a report shows beside its verdicts; no verdict rests on it."""
