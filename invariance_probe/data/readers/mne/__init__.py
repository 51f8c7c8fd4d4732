"""Reader of EEG, MEG and intracranial recordings: EDF and BDF, and what MNE reads.

In: a file, and the tables of a BIDS dataset that belong to it. Out: its `Contents`: a
series for each type and rate of channels, and tables of annotations, events and trials.
All times count from the first sample of the file; dates are never used. EDF and BDF need
no further package. The files `through_mne` and `filtering` import MNE and are loaded
when it is needed.
"""

from invariance_probe.data.readers.mne.reader import read_mne

__all__ = ["read_mne"]
