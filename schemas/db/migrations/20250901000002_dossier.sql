-- What is known about a case: sections and attachments, encrypted with the case's key.

CREATE TABLE dossier (
    case_id    uuid NOT NULL REFERENCES cases (id),
    section    text NOT NULL,
    stage      text NOT NULL,
    visit      integer NOT NULL,
    -- the ticket of the settle that wrote it: the latest is read
    ticket     bigint NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    body       bytea NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (case_id, section, stage, visit)
);

CREATE TABLE attachments (
    case_id    uuid NOT NULL REFERENCES cases (id),
    which      text NOT NULL CHECK (which IN ('photo', 'signature', 'signed-content', 'eds')),
    media_type text NOT NULL,
    sha256     bytea NOT NULL CHECK (length(sha256) = 32),
    bytes      integer NOT NULL CHECK (bytes > 0),
    body       bytea NOT NULL,
    PRIMARY KEY (case_id, which)
);
