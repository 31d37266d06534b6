"""
Journals out of other programs: columns of a file are mapped to ours, planned against the books, taken whole.

``mapping`` says how a file is read and guesses it, ``lines`` reads it row by row, ``plan`` asks the database
what each entry would be (new, changed, same, wrong), ``applying`` writes them. The services ask who may.
"""
