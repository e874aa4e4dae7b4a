INSERT INTO holds (case_id, stage, visit, ticket, region, role, until, question, held_at, lapse_ticket)
VALUES
    ('00000000-0000-7000-8000-000000000002', 'payment', 1, 4, 'KZ-71', NULL, '2025-09-12 10:05+05', NULL,
     '2025-09-02 10:06+05', 4),
    -- a hold whose case has gone on is dropped with the next settle
    ('00000000-0000-7000-8000-000000000001', 'intake', 1, 1, 'KZ-75', 'head', NULL,
     '{"key": "status-unknown", "role": "head", "finding": "not-mapped", "choices": []}', '2025-09-02 10:06+05', NULL);

INSERT INTO arrivals (id, source, reference, case_id, named, stage, kind, version, body, actor, state, money_kind,
                      arrived_at, settled_at)
VALUES
    ('00000000-0000-7000-8000-000000000011', 'rp-drn', 'SAMPLE-P-1', '00000000-0000-7000-8000-000000000003',
     'charge/00000000-0000-7000-8000-000000000003/duty', 'payment', 'payment.answer', 1, '{}',
     '{"actor": "provider", "system": "rp-drn"}', 'taken', 'received', '2025-09-01 10:10+05', '2025-09-01 10:10+05'),
    ('00000000-0000-7000-8000-000000000012', 'rp-drn', 'SAMPLE-P-2', '00000000-0000-7000-8000-000000000002',
     'charge/00000000-0000-7000-8000-000000000002/duty', 'payment', 'payment.answer', 1, '{}',
     '{"actor": "provider", "system": "rp-drn"}', 'waiting', NULL, '2025-09-02 10:10+05', NULL),
    ('00000000-0000-7000-8000-000000000013', 'rp-drn', 'SAMPLE-P-3', NULL, 'charge/unknown/duty', 'payment',
     'payment.answer', 1, '{}', '{"actor": "provider", "system": "rp-drn"}', 'unclaimed', 'received',
     '2025-09-02 10:11+05', NULL);

INSERT INTO effects (key, case_id, stage, system, operation, answer, answered_at)
VALUES
    ('sms/00000000-0000-7000-8000-000000000001/received.intake.1', '00000000-0000-7000-8000-000000000001', 'notice', 'sms', 'message',
     NULL, NULL),
    ('sms/00000000-0000-7000-8000-000000000002/payment-due.payment.1', '00000000-0000-7000-8000-000000000002', 'notice', 'sms', 'message',
     '{}', now());

INSERT INTO side_messages (id, case_id, stage, visit, kind, state, outcome, facts, ended_at)
VALUES
    ('00000000-0000-7000-8000-000000000021', '00000000-0000-7000-8000-000000000001', 'intake', 1, 'received', 'moving',
     NULL, NULL, NULL),
    ('00000000-0000-7000-8000-000000000022', '00000000-0000-7000-8000-000000000002', 'payment', 1, 'payment-due',
     'ended', 'sent', '{}', now());

INSERT INTO jobs (subject_id, subject, case_id, ticket, stage, visit, kind, version, body, routing_key)
VALUES
    ('00000000-0000-7000-8000-000000000012', 'arrival', '00000000-0000-7000-8000-000000000002', 2, 'payment', 0,
     'payment.answer', 1, '{"arrival": "00000000-0000-7000-8000-000000000012"}', 'payment'),
    ('00000000-0000-7000-8000-000000000021', 'side-message', '00000000-0000-7000-8000-000000000001', 1, 'notice', 1,
     'notice.job', 1, '{"notice": "received"}', 'notice');
