from django.db import migrations

# Indexes for words anywhere in a text, where the server has pg_trgm and lets us use it; without them the
# search reads the words of recent entries only.
MAKE = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        BEGIN
            CREATE EXTENSION IF NOT EXISTS pg_trgm;
            CREATE INDEX ledger_entry_description_words ON ledger_journalentry
             USING gin (upper(description::text) gin_trgm_ops) WHERE description <> '';
            CREATE INDEX ledger_line_memo_words ON ledger_journalline
             USING gin (upper(memo::text) gin_trgm_ops) WHERE memo <> '';
        EXCEPTION WHEN insufficient_privilege OR undefined_object OR undefined_file OR feature_not_supported THEN
            RAISE NOTICE 'pg_trgm cannot be used here: words are searched in recent entries only.';
        END;
    END IF;
END $$;
"""
DROP = "DROP INDEX IF EXISTS ledger_entry_description_words, ledger_line_memo_words"


class Migration(migrations.Migration):
    """Words in descriptions and memos are found at once, however many there are."""

    dependencies = [("ledger", "0006_find_what_changed_since_closing")]

    operations = [migrations.RunSQL(MAKE, DROP)]
