-- Holds, arrivals, effects and side messages.

CREATE TABLE holds (
    case_id      uuid PRIMARY KEY REFERENCES cases (id),
    stage        text NOT NULL,
    visit        integer NOT NULL,
    ticket       bigint NOT NULL,
    region       text NOT NULL,
    role         text,
    until        timestamptz,
    question     jsonb,
    held_at      timestamptz NOT NULL,
    -- the ticket for which a lapse was last issued: issued again only once the ticket has moved
    lapse_ticket bigint
);
CREATE INDEX holds_due ON holds (until) WHERE until IS NOT NULL;
CREATE INDEX holds_by_stage ON holds (stage, region, held_at);

-- What doors brought. The money of an arrival is posted whatever the case's status; the answer settles only while
-- the case is held at its stage, otherwise it waits here.
CREATE TABLE arrivals (
    id          uuid PRIMARY KEY,
    source      text NOT NULL,
    reference   text NOT NULL,
    case_id     uuid REFERENCES cases (id),
    -- the key that the sender named, where no case was known
    named       text,
    stage       text NOT NULL,
    kind        text NOT NULL,
    version     integer NOT NULL,
    body        jsonb NOT NULL,
    actor       jsonb NOT NULL,
    state       text NOT NULL CHECK (state IN ('moving', 'waiting', 'taken', 'unwanted', 'unclaimed', 'parked')),
    money_kind  text,
    arrived_at  timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    settled_at  timestamptz,
    UNIQUE (source, reference)
);
CREATE INDEX arrivals_by_case ON arrivals (case_id, stage) WHERE state = 'waiting';
CREATE INDEX arrivals_listed ON arrivals (state, received_at) WHERE state IN ('unwanted', 'unclaimed', 'waiting', 'parked');

-- Requests to receivers that cannot dedupe by key: the intent is committed before the call.
CREATE TABLE effects (
    key         text PRIMARY KEY,
    case_id     uuid NOT NULL REFERENCES cases (id),
    stage       text NOT NULL,
    system      text NOT NULL,
    operation   text NOT NULL,
    answer      jsonb,
    intended_at timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz,
    CHECK ((answer IS NULL) = (answered_at IS NULL))
);
CREATE INDEX effects_by_case ON effects (case_id);
CREATE INDEX effects_unanswered ON effects (intended_at) WHERE answered_at IS NULL;

-- Notices: each once per case, stage, visit and kind; never touch the case.
CREATE TABLE side_messages (
    id         uuid PRIMARY KEY,
    case_id    uuid NOT NULL REFERENCES cases (id),
    stage      text NOT NULL,
    visit      integer NOT NULL,
    kind       text NOT NULL,
    state      text NOT NULL DEFAULT 'moving' CHECK (state IN ('moving', 'ended', 'parked')),
    outcome    text,
    facts      jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    UNIQUE (case_id, kind, stage, visit)
);
