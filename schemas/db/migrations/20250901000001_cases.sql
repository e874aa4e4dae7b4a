-- The spine: cases and the row that guards each subject's turn.
-- Roles kezek_owner, kezek_engine and kezek_console exist before the first migration (see README, "your own servers").

CREATE TABLE business_clock (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- milliseconds added to real time; moved by the demo and test profile alone
    offset_ms bigint NOT NULL DEFAULT 0,
    profile   text NOT NULL DEFAULT 'production' CHECK (profile IN ('production', 'demo', 'test')),
    CHECK (profile <> 'production' OR offset_ms = 0)
);
INSERT INTO business_clock DEFAULT VALUES;

CREATE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT clock_timestamp() + make_interval(secs => offset_ms / 1000.0) FROM business_clock $$;

CREATE TABLE cases (
    id                uuid PRIMARY KEY,
    service           text NOT NULL,
    flow_version      integer NOT NULL CHECK (flow_version > 0),
    receipt           text NOT NULL UNIQUE,
    coupon            text UNIQUE CHECK (length(coupon) <= 64),
    request_source    text NOT NULL,
    request_id        text NOT NULL,
    request_sha256    bytea NOT NULL CHECK (length(request_sha256) = 32),
    iin_hash          bytea NOT NULL CHECK (length(iin_hash) = 32),
    region            text NOT NULL,
    language          text NOT NULL CHECK (language IN ('kk', 'ru')),
    -- business clock: the instant by which the law judges
    filed_at          timestamptz NOT NULL,
    -- real clock
    opened_at         timestamptz NOT NULL DEFAULT now(),
    moved_at          timestamptz NOT NULL DEFAULT now(),
    -- the lifecycle, repeated here so that no impossible row can be stored
    how               text NOT NULL CHECK (how IN ('moving', 'held', 'parked', 'closed')),
    stage             text,
    visit             integer NOT NULL CHECK (visit >= 0),
    held_until        timestamptz,
    closing           text CHECK (closing IN ('issued', 'refused', 'redirected', 'unpaid', 'cancelled', 'withdrawn')),
    refunding_closing text CHECK (refunding_closing IN ('issued', 'refused', 'redirected', 'unpaid', 'cancelled', 'withdrawn')),
    refunding_reason  text,
    -- how often each stage has been entered: {"payment": 2}
    visits            jsonb NOT NULL DEFAULT '{}',
    revision          bigint NOT NULL DEFAULT 0 CHECK (revision >= 0),
    journal_number    bigint NOT NULL DEFAULT 0 CHECK (journal_number >= 0),
    journal_head      bytea NOT NULL CHECK (length(journal_head) = 32),
    -- the case's own key, wrapped by a key from configuration; erasing it erases the dossier
    case_key          bytea,
    key_id            text NOT NULL,
    received_tiyn     bigint NOT NULL DEFAULT 0 CHECK (received_tiyn >= 0),
    earned_tiyn       bigint NOT NULL DEFAULT 0 CHECK (earned_tiyn >= 0),
    returned_tiyn     bigint NOT NULL DEFAULT 0 CHECK (returned_tiyn >= 0),
    UNIQUE (request_source, request_id),
    CHECK ((how = 'closed') = (closing IS NOT NULL)),
    CHECK ((how = 'closed') = (stage IS NULL)),
    CHECK (held_until IS NULL OR how = 'held'),
    CHECK ((refunding_closing IS NULL) = (refunding_reason IS NULL)),
    CHECK (refunding_closing IS NULL OR how <> 'closed'),
    CHECK (received_tiyn - earned_tiyn - returned_tiyn >= 0),
    -- a closed case holds no money
    CHECK (how <> 'closed' OR received_tiyn = earned_tiyn + returned_tiyn)
);
-- one open application per person and service; a closed case that is refunding late money is not a second application
CREATE UNIQUE INDEX cases_one_open ON cases (service, iin_hash) WHERE how <> 'closed' AND refunding_closing IS NULL;
CREATE INDEX cases_by_iin ON cases (iin_hash);
CREATE INDEX cases_open ON cases (stage, how, region) WHERE how <> 'closed';
CREATE INDEX cases_unseen ON cases (moved_at) WHERE how = 'moving';

-- One row per subject (a case, an arrival, a side message): its counter and its current job. Every settle locks
-- this row first; whoever does not hold it changes nothing of the subject.
CREATE TABLE jobs (
    subject_id  uuid PRIMARY KEY,
    subject     text NOT NULL CHECK (subject IN ('case', 'arrival', 'side-message')),
    case_id     uuid REFERENCES cases (id),
    ticket      bigint NOT NULL CHECK (ticket > 0),
    attempt     integer NOT NULL DEFAULT 1 CHECK (attempt > 0),
    stage       text NOT NULL,
    visit       integer NOT NULL CHECK (visit >= 0),
    kind        text NOT NULL,
    version     integer NOT NULL CHECK (version > 0),
    body        jsonb NOT NULL,
    -- job: ordinary work; lapse: the deadline of a hold has passed
    mode        text NOT NULL DEFAULT 'job' CHECK (mode IN ('job', 'lapse')),
    routing_key text NOT NULL,
    traceparent text,
    -- the dead letter whose replay issued this ticket; the settle that consumes the ticket closes it
    letter_id   uuid,
    issued_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((subject = 'case') = (subject_id = case_id) OR case_id IS NULL)
) WITH (fillfactor = 70);
CREATE INDEX jobs_by_case ON jobs (case_id) WHERE subject <> 'case';
