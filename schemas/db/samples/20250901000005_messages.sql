INSERT INTO outbox (id, subject_id, exchange, routing_key, headers, body, set_aside_at, fault)
VALUES
    ('00000000-0000-7000-8000-000000000051', '00000000-0000-7000-8000-000000000001', 'kezek.work', 'intake',
     '{"type": "intake.job"}', '\x7b7d', NULL, NULL),
    ('00000000-0000-7000-8000-000000000052', NULL, 'kezek.work', 'intake', '{"type": 1}', '\x00', now(),
     'header `type` is not text');

INSERT INTO dead_letters (id, message_id, subject, subject_id, case_id, region, ticket, stage, visit, attempt, cause,
                          detail, exchange, routing_key, headers, body, worker_version, state)
VALUES
    ('00000000-0000-7000-8000-000000000061', '00000000-0000-7000-8000-000000000062', 'case',
     '00000000-0000-7000-8000-000000000004', '00000000-0000-7000-8000-000000000004', 'KZ-71', 8, 'refund', 1, 3,
     'exhausted', 'timeout', 'kezek.dead', 'parked.refund', '{}', '\x7b7d', '0.1.0', 'open'),
    ('00000000-0000-7000-8000-000000000063', 'sha256:00', 'unknown', NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     'undecodable', 'the headers are not an envelope', 'kezek.dead', 'parked.intake', '{}', '\x00ff', '0.1.0',
     'discarded'),
    ('00000000-0000-7000-8000-000000000064', '00000000-0000-7000-8000-000000000065', 'case',
     '00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-000000000003', 'KZ-75', 5, 'production', 1, 1,
     'panic', 'the stage panicked', 'kezek.dead', 'parked.production', '{}', '\x7b7d', '0.1.0', 'closed');

INSERT INTO breakers (system, state, failures, opened_at, opened_business, probe_until, reason)
VALUES ('sik', 'open', 8, now(), '2025-09-02 10:00+05', now(), 'calls in a row were not answered'),
       ('kdp', 'closed', 0, NULL, NULL, NULL, NULL);

INSERT INTO outages (system, began_at, began_business, ended_at, ended_business)
VALUES ('kdp', now() - interval '1 hour', '2025-09-02 09:00+05', now(), '2025-09-02 10:00+05'),
       ('sik', now(), '2025-09-02 10:00+05', NULL, NULL);

INSERT INTO stage_pauses (stage, actor, reason) VALUES ('refund', 'operator', 'the tax authority asked us to wait');

INSERT INTO accounts (account, role, region, iin, token_sha256, blocked_at)
VALUES ('reviewer-KZ-75', 'reviewer', 'KZ-75', '\x00', decode(repeat('71', 32), 'hex'), NULL),
       ('portal', 'portal', NULL, NULL, decode(repeat('72', 32), 'hex'), now());
