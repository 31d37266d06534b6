"""How LedgerFlow writes dates and times, where it departs from Django: one form that no country misreads."""
