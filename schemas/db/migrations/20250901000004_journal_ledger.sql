-- What cannot be changed afterwards: the journal (hash-chained per case), the ledger (double entry), the audit trail.

CREATE TABLE journal (
    case_id      uuid NOT NULL REFERENCES cases (id),
    number       bigint NOT NULL CHECK (number > 0),
    ticket       bigint NOT NULL,
    at           timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    stage        text NOT NULL,
    visit        integer NOT NULL,
    move_label   text NOT NULL,
    outcome      text,
    actor        jsonb NOT NULL,
    rule_version text NOT NULL,
    detail       jsonb NOT NULL,
    calls        jsonb NOT NULL,
    head         bytea NOT NULL CHECK (length(head) = 32),
    PRIMARY KEY (case_id, number)
);

CREATE TABLE ledger (
    posting_id  uuid NOT NULL,
    line        smallint NOT NULL CHECK (line IN (1, 2)),
    case_id     uuid REFERENCES cases (id),
    account     text NOT NULL CHECK (account IN ('provider', 'case', 'suspense', 'revenue', 'refund-confirmed')),
    -- debit above zero, credit below: the lines of a posting add up to zero
    amount_tiyn bigint NOT NULL CHECK (amount_tiyn <> 0),
    kind        text NOT NULL,
    source      text NOT NULL,
    reference   text NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (posting_id, line),
    -- money is posted once per provider's number, whatever the case's status
    UNIQUE (source, reference, kind, line)
);
CREATE INDEX ledger_by_case ON ledger (case_id);

CREATE TABLE audit (
    number      bigint PRIMARY KEY CHECK (number > 0),
    at          timestamptz NOT NULL DEFAULT now(),
    account     text NOT NULL,
    role        text NOT NULL,
    act         text NOT NULL,
    case_id     uuid,
    detail      jsonb NOT NULL DEFAULT '{}',
    head        bytea NOT NULL CHECK (length(head) = 32)
);

CREATE TABLE seals (
    day       date NOT NULL,
    what      text NOT NULL CHECK (what IN ('journal', 'audit')),
    entries   bigint NOT NULL,
    digest    bytea NOT NULL CHECK (length(digest) = 32),
    sealed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, what)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON journal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER seals_append_only BEFORE UPDATE OR DELETE ON seals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
