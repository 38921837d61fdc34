"""What is stored, read back: rows of an instrument over a range of time, in order, a bounded number at once.

Everything is read from the views of schema ``history``, as a role that can do no more than that.
"""
