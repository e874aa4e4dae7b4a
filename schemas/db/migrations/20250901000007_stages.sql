-- Private tables of stages, each in its stage's own schema; touched only by that stage's store.rs.

CREATE SCHEMA payment;
CREATE TABLE payment.orders (
    case_id     uuid NOT NULL REFERENCES cases (id),
    visit       integer NOT NULL,
    key         text NOT NULL,
    number      text NOT NULL,
    amount_tiyn bigint NOT NULL CHECK (amount_tiyn > 0),
    until       timestamptz NOT NULL,
    state       text NOT NULL CHECK (state IN ('open', 'paid', 'withdrawn')),
    changed_at  timestamptz NOT NULL,
    PRIMARY KEY (case_id, visit)
);

CREATE SCHEMA review;
CREATE TABLE review.decisions (
    case_id          uuid NOT NULL REFERENCES cases (id),
    visit            integer NOT NULL,
    region           text NOT NULL,
    outcome          text NOT NULL CHECK (outcome IN ('approved', 'cancelled')),
    reason           text,
    account          text NOT NULL,
    signature_sha256 text NOT NULL,
    decided_at       timestamptz NOT NULL,
    PRIMARY KEY (case_id, visit),
    CHECK ((outcome = 'cancelled') = (reason IS NOT NULL))
);

CREATE SCHEMA issuance;
CREATE TABLE issuance.handovers (
    case_id   uuid PRIMARY KEY REFERENCES cases (id),
    region    text NOT NULL,
    account   text NOT NULL,
    handed_at timestamptz NOT NULL
);

GRANT USAGE ON SCHEMA payment, review, issuance TO kezek_engine;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA payment, review, issuance TO kezek_engine;
