-- Three roles: the owner migrates, the engine works, the console reads its regions and nothing else.
-- Row security is forced; where no region is set, the console sees no row.

CREATE FUNCTION visible_regions() RETURNS text[] LANGUAGE sql STABLE AS
$$ SELECT string_to_array(nullif(current_setting('kezek.regions', true), ''), ',') $$;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['cases', 'jobs', 'dossier', 'attachments', 'holds', 'arrivals', 'effects', 'side_messages',
                             'journal', 'ledger', 'dead_letters'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY whole ON %I TO kezek_owner, kezek_engine USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT ON %I TO kezek_console', t);
    END LOOP;
END $$;

CREATE POLICY by_region ON cases FOR SELECT TO kezek_console USING (region = ANY (visible_regions()));
CREATE POLICY by_region ON holds FOR SELECT TO kezek_console USING (region = ANY (visible_regions()));
CREATE POLICY by_region ON dead_letters FOR SELECT TO kezek_console USING (region = ANY (visible_regions()));
CREATE POLICY by_case ON jobs FOR SELECT TO kezek_console USING (case_id IN (SELECT id FROM cases));
CREATE POLICY by_case ON dossier FOR SELECT TO kezek_console USING (case_id IN (SELECT id FROM cases));
CREATE POLICY by_case ON attachments FOR SELECT TO kezek_console USING (case_id IN (SELECT id FROM cases));
CREATE POLICY by_case ON arrivals FOR SELECT TO kezek_console USING (case_id IN (SELECT id FROM cases));
CREATE POLICY by_case ON effects FOR SELECT TO kezek_console USING (case_id IN (SELECT id FROM cases));
CREATE POLICY by_case ON side_messages FOR SELECT TO kezek_console USING (case_id IN (SELECT id FROM cases));
CREATE POLICY by_case ON journal FOR SELECT TO kezek_console USING (case_id IN (SELECT id FROM cases));
CREATE POLICY by_case ON ledger FOR SELECT TO kezek_console USING (case_id IN (SELECT id FROM cases));

GRANT SELECT, INSERT, UPDATE ON cases, jobs, dossier, attachments, arrivals, effects, side_messages, dead_letters,
      breakers, outages TO kezek_engine;
GRANT SELECT, INSERT, UPDATE, DELETE ON holds, outbox, stage_pauses TO kezek_engine;
GRANT DELETE ON effects, jobs TO kezek_engine;
GRANT SELECT, INSERT ON journal, ledger, audit, seals TO kezek_engine;
GRANT SELECT, UPDATE ON business_clock TO kezek_engine;
GRANT SELECT, INSERT, UPDATE ON accounts TO kezek_engine;
GRANT SELECT ON business_clock TO kezek_console;
GRANT SELECT, INSERT ON audit TO kezek_console;
