-- The broker's other half: the outbox, dead letters, breakers and pauses.

CREATE TABLE outbox (
    id           uuid PRIMARY KEY,
    subject_id   uuid,
    exchange     text NOT NULL,
    routing_key  text NOT NULL,
    headers      jsonb NOT NULL,
    body         bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- a bad row is set aside and blocks nobody
    set_aside_at timestamptz,
    fault        text
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);
CREATE INDEX outbox_oldest ON outbox (created_at) WHERE set_aside_at IS NULL;

CREATE TABLE dead_letters (
    id             uuid PRIMARY KEY,
    -- where it came from, so that the same letter delivered twice is one row
    message_id     text NOT NULL UNIQUE,
    subject        text NOT NULL CHECK (subject IN ('case', 'arrival', 'side-message', 'unknown')),
    subject_id     uuid,
    case_id        uuid REFERENCES cases (id),
    region         text,
    ticket         bigint,
    stage          text,
    visit          integer,
    attempt        integer,
    cause          text NOT NULL,
    detail         text NOT NULL,
    exchange       text NOT NULL,
    routing_key    text NOT NULL,
    headers        jsonb NOT NULL,
    body           bytea NOT NULL,
    worker_version text NOT NULL,
    state          text NOT NULL CHECK (state IN ('open', 'replaying', 'closed', 'discarded')),
    replay_ticket  bigint,
    first_seen     timestamptz NOT NULL DEFAULT now(),
    last_seen      timestamptz NOT NULL DEFAULT now(),
    seen           integer NOT NULL DEFAULT 1,
    acted_by       text,
    acted_reason   text,
    acted_at       timestamptz,
    CHECK ((state = 'replaying') <= (replay_ticket IS NOT NULL))
);
CREATE INDEX dead_letters_open ON dead_letters (state, cause, first_seen);
CREATE INDEX dead_letters_by_case ON dead_letters (case_id);

-- One breaker per outside system, shared by all processes. Real time decides; business time is recorded beside it
-- because A12 counts its ten minutes from the outage.
CREATE TABLE breakers (
    system         text PRIMARY KEY,
    state          text NOT NULL CHECK (state IN ('closed', 'open')),
    failures       integer NOT NULL DEFAULT 0,
    opened_at      timestamptz,
    opened_business timestamptz,
    probe_until    timestamptz,
    changed_at     timestamptz NOT NULL DEFAULT now(),
    reason         text,
    CHECK ((state = 'open') = (opened_at IS NOT NULL))
);
CREATE TABLE outages (
    system         text NOT NULL,
    began_at       timestamptz NOT NULL,
    began_business timestamptz NOT NULL,
    ended_at       timestamptz,
    ended_business timestamptz,
    PRIMARY KEY (system, began_at)
);

CREATE TABLE stage_pauses (
    stage     text PRIMARY KEY,
    paused_at timestamptz NOT NULL DEFAULT now(),
    actor     text NOT NULL,
    reason    text NOT NULL CHECK (length(reason) > 0)
);

CREATE TABLE accounts (
    account      text PRIMARY KEY,
    role         text NOT NULL,
    region       text,
    -- the person's IIN, encrypted under the installation's key: decisions are signed by this person
    iin          bytea,
    token_sha256 bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    blocked_at   timestamptz
);
