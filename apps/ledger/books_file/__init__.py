"""
One client's books as a file: a zip of CSV files with a manifest that moves them to another database.

``tables`` says what is in it, ``writing`` makes it, ``reading`` verifies it, ``staging`` and ``replay``
bring it into a database, where every entry is posted again in its order. ``journals`` writes the books as
text for beancount and hledger instead.
"""

FORMAT = "ledgerflow-books"
VERSION = 1
