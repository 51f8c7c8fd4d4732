"""What a report shows beside its verdicts, and no verdict rests on."""
