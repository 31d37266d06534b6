"""The pages of a client's books: (address, name, view)."""

PAGES = [
    ("books/<slug:code>/", "books", "apps.ledger.views.overview.OverviewView"),
    ("books/<slug:code>/chart/", "chart", "apps.ledger.views.chart.ChartView"),
    ("books/<slug:code>/chart/start/", "chart_start", "apps.ledger.views.chart.StartChartView"),
    ("books/<slug:code>/chart/import/", "chart_import", "apps.ledger.views.chart.ImportChartView"),
    ("books/<slug:code>/entries/<int:pk>/papers/", "attach", "apps.ledger.views.attachments.AttachView"),
    ("books/<slug:code>/papers/<int:pk>/", "attachment", "apps.ledger.views.attachments.AttachmentView"),
    ("books/<slug:code>/papers/<int:pk>/remove/", "detach", "apps.ledger.views.attachments.DetachView"),
    (
        "books/<slug:code>/accounts/search/",
        "account_search",
        "apps.ledger.views.account_search.AccountSearchView",
    ),
    (
        "books/<slug:code>/contacts/search/",
        "contact_search",
        "apps.ledger.views.account_search.ContactSearchView",
    ),
    ("books/<slug:code>/entries/new/", "entry_new", "apps.ledger.views.entry.NewEntryView"),
    ("books/<slug:code>/entries/<int:pk>/", "entry", "apps.ledger.views.entry.EntryView"),
    (
        "books/<slug:code>/entries/<int:pk>/reverse/",
        "entry_reverse",
        "apps.ledger.views.entry_dialogs.ReverseView",
    ),
    (
        "books/<slug:code>/entries/<int:pk>/lines/<int:line>/recode/",
        "entry_recode",
        "apps.ledger.views.entry_dialogs.RecodeView",
    ),
    (
        "books/<slug:code>/entries/<int:pk>/delete/",
        "entry_delete",
        "apps.ledger.views.entry_dialogs.DeleteView",
    ),
    (
        "books/<slug:code>/entries/<int:pk>/notes/",
        "entry_annotate",
        "apps.ledger.views.entry_dialogs.AnnotateView",
    ),
    ("books/<slug:code>/periods/", "periods", "apps.ledger.views.periods.PeriodsView"),
    ("books/<slug:code>/periods/close/", "period_close", "apps.ledger.views.period_dialogs.CloseView"),
    ("books/<slug:code>/periods/lock/", "period_lock", "apps.ledger.views.period_dialogs.LockView"),
    ("books/<slug:code>/periods/reopen/", "period_reopen", "apps.ledger.views.period_dialogs.ReopenView"),
    ("books/<slug:code>/periods/<int:period>/", "period", "apps.ledger.views.periods.PeriodView"),
    ("books/<slug:code>/years/open/", "year_open", "apps.ledger.views.year_dialogs.OpenYearView"),
    (
        "books/<slug:code>/years/<int:year>/close/",
        "year_close",
        "apps.ledger.views.year_dialogs.CloseYearView",
    ),
    (
        "books/<slug:code>/years/<int:year>/remove/",
        "year_remove",
        "apps.ledger.views.year_dialogs.RemoveYearView",
    ),
    ("close/", "close", "apps.ledger.views.periods.DueView"),
    (
        "books/<slug:code>/trial-balance/",
        "trial_balance",
        "apps.ledger.views.reports.statements.TrialBalanceView",
    ),
    (
        "books/<slug:code>/profit-and-loss/",
        "profit_and_loss",
        "apps.ledger.views.reports.statements.ProfitAndLossView",
    ),
    (
        "books/<slug:code>/balance-sheet/",
        "balance_sheet",
        "apps.ledger.views.reports.statements.BalanceSheetView",
    ),
    (
        "books/<slug:code>/general-ledger/",
        "general_ledger",
        "apps.ledger.views.reports.ledgers.GeneralLedgerView",
    ),
    ("books/<slug:code>/register/", "account_register", "apps.ledger.views.reports.register.RegisterView"),
    ("books/<slug:code>/journal/", "journal_listing", "apps.ledger.views.reports.ledgers.JournalView"),
    ("books/<slug:code>/audit/", "audit", "apps.ledger.views.reports.audit.AuditView"),
    (
        "books/<slug:code>/years/<int:year>/history/",
        "year_history",
        "apps.ledger.views.periods.YearHistoryView",
    ),
]
