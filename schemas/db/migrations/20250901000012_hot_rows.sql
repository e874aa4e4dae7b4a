-- A settle updates a case's row in place. An index over a column that every settle changes forces PostgreSQL to write
-- the row anew into all of the table's indexes; so whether a case is open is a column of its own, which changes once
-- or twice in a case's life, and what moves at every settle (how, stage, moved_at) lies in no index.
ALTER TABLE cases
    ADD COLUMN is_open boolean NOT NULL GENERATED ALWAYS AS (how <> 'closed') STORED,
    -- open and not merely giving late money back
    ADD COLUMN is_live boolean NOT NULL GENERATED ALWAYS AS (how <> 'closed' AND refunding_closing IS NULL) STORED;
-- a whole page of cases often moves in one settle: there must be room for all of them once more
ALTER TABLE cases SET (fillfactor = 45);
ALTER TABLE jobs SET (fillfactor = 50);

-- contract: the three indexes are replaced below; no binary names them but for the constraint cases_one_open
DROP INDEX cases_one_open, cases_open, cases_unseen;
CREATE UNIQUE INDEX cases_one_open ON cases (service, iin_hash) WHERE is_live;
CREATE INDEX cases_open ON cases (id) WHERE is_open;

-- contract: the sweeper's order has its index, outbox_turn; ages are read over the few rows that wait
DROP INDEX outbox_oldest;

-- contract: what is written at every settle no longer asks PostgreSQL row by row whether its case exists. The engine
-- writes such a row only while it holds the lock of the case's row in jobs, nobody may delete a case, and the check
-- `case_unknown` finds a row whose case is not there. Where rows are few, the references stay.
ALTER TABLE jobs DROP CONSTRAINT jobs_case_id_fkey;
ALTER TABLE dossier DROP CONSTRAINT dossier_case_id_fkey;
ALTER TABLE holds DROP CONSTRAINT holds_case_id_fkey;
ALTER TABLE arrivals DROP CONSTRAINT arrivals_case_id_fkey;
ALTER TABLE journal DROP CONSTRAINT journal_case_id_fkey;
ALTER TABLE ledger DROP CONSTRAINT ledger_case_id_fkey;
ALTER TABLE side_messages DROP CONSTRAINT side_messages_case_id_fkey;
