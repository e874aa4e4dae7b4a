-- What the operator's shell needs: workers see which migrations were applied, and seals find a day's entries.

DO $$
BEGIN
    -- the migrator's own table; it does not exist where the files are applied by hand
    IF to_regclass('public._sqlx_migrations') IS NOT NULL THEN
        GRANT SELECT ON _sqlx_migrations TO kezek_engine, kezek_console;
    END IF;
END $$;

-- the journal is written in the order of time: a block range index costs next to nothing per entry
CREATE INDEX journal_by_day ON journal USING brin (recorded_at);
CREATE INDEX audit_by_day ON audit USING brin (at);
