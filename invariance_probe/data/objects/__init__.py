"""Signals as objects in Python: arrays, data frames, and the objects of other packages.

In: an object that holds spike trains, a series or a table of intervals. Out: the types
of `data.contents`. Objects are recognised by what they have, so that none of the
packages is imported: one file here knows the objects of one package.
"""
