-- What the law wants kept beside the cases: pictures that come twice, outages, terms.

-- A keyed digest of each photograph and specimen signature: equal for equal bytes, so that the same picture under two
-- numbers shows (A3.10), and of no use without the installation's key.
ALTER TABLE attachments ADD COLUMN likeness bytea CHECK (length(likeness) = 32);
CREATE INDEX attachments_by_likeness ON attachments (likeness) WHERE likeness IS NOT NULL;

-- A12: what the breakers measure is `measured`; the portal and its apps are seen by a configured probe or reported by
-- somebody, with a reason.
ALTER TABLE outages
    ADD COLUMN source text NOT NULL DEFAULT 'measured' CHECK (source IN ('measured', 'probe', 'report')),
    ADD COLUMN reason text,
    ADD COLUMN begun_by text,
    ADD COLUMN ended_by text;

-- A4.2: a case is warned of once before its term is over, and once when it is.
CREATE TABLE term_events (
    case_id      uuid NOT NULL REFERENCES cases (id),
    event        text NOT NULL CHECK (event IN ('warning', 'overdue')),
    due          date NOT NULL,
    -- the count touched a year without a calendar
    provisional  boolean NOT NULL,
    -- working days that counted, and that did not
    used         integer NOT NULL CHECK (used >= 0),
    paused       integer NOT NULL CHECK (paused >= 0),
    -- the days that counted, by whose they were: {"provider": 3}
    whose        jsonb NOT NULL,
    rule_version text NOT NULL,
    -- business clock
    at           timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (case_id, event)
);
GRANT SELECT, INSERT ON term_events TO kezek_engine;
