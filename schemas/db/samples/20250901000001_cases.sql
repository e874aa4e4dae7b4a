-- Three cases: one that moves, one that waits in another region, one that was closed; a fourth person's is refunding.
UPDATE business_clock SET profile = 'test', offset_ms = 3600000;

INSERT INTO cases (id, service, flow_version, receipt, coupon, request_source, request_id, request_sha256, iin_hash,
                   region, language, filed_at, how, stage, visit, held_until, closing, refunding_closing,
                   refunding_reason, visits, journal_number, journal_head, case_key, key_id, received_tiyn, earned_tiyn)
VALUES
    ('00000000-0000-7000-8000-000000000001', 'id-card-renewal', 1, 'SAMPLE-1', NULL, 'portal', 'request-1',
     decode(repeat('01', 32), 'hex'), decode(repeat('11', 32), 'hex'), 'KZ-75', 'kk', '2025-09-02 10:00+05',
     'moving', 'intake', 1, NULL, NULL, NULL, NULL, '{"intake": 1}', 1, decode(repeat('21', 32), 'hex'),
     '\x00', 'k1', 0, 0),
    ('00000000-0000-7000-8000-000000000002', 'id-card-renewal', 1, 'SAMPLE-2', 'SAMPLE-C-2', 'portal', 'request-2',
     decode(repeat('02', 32), 'hex'), decode(repeat('12', 32), 'hex'), 'KZ-71', 'ru', '2025-09-02 10:05+05',
     'held', 'payment', 1, '2025-09-12 10:05+05', NULL, NULL, NULL, '{"intake": 1, "exemption": 1, "payment": 1}', 3,
     decode(repeat('22', 32), 'hex'), '\x00', 'k1', 0, 0),
    ('00000000-0000-7000-8000-000000000003', 'id-card-renewal', 1, 'SAMPLE-3', 'SAMPLE-C-3', 'portal', 'request-3',
     decode(repeat('03', 32), 'hex'), decode(repeat('13', 32), 'hex'), 'KZ-75', 'ru', '2025-09-01 10:00+05',
     'closed', NULL, 1, NULL, 'issued', NULL, NULL, '{"intake": 1, "issuance": 1}', 9,
     decode(repeat('23', 32), 'hex'), '\x00', 'k1', 78640, 78640),
    ('00000000-0000-7000-8000-000000000004', 'id-card-renewal', 1, 'SAMPLE-4', 'SAMPLE-C-4', 'portal', 'request-4',
     decode(repeat('04', 32), 'hex'), decode(repeat('14', 32), 'hex'), 'KZ-71', 'kk', '2025-09-01 11:00+05',
     'parked', 'refund', 1, NULL, NULL, 'cancelled', 'photo-quality', '{"intake": 1, "refund": 1}', 7,
     decode(repeat('24', 32), 'hex'), NULL, 'k1', 78640, 0);

INSERT INTO jobs (subject_id, subject, case_id, ticket, attempt, stage, visit, kind, version, body, mode, routing_key,
                  traceparent)
VALUES
    ('00000000-0000-7000-8000-000000000001', 'case', '00000000-0000-7000-8000-000000000001', 1, 1, 'intake', 1,
     'intake.job', 1, '{}', 'job', 'intake', '00-00000000000070008000000000000001-8000000000000001-01'),
    ('00000000-0000-7000-8000-000000000002', 'case', '00000000-0000-7000-8000-000000000002', 4, 1, 'payment', 1,
     'payment.job', 1, '{}', 'lapse', 'payment', NULL),
    ('00000000-0000-7000-8000-000000000003', 'case', '00000000-0000-7000-8000-000000000003', 9, 1, 'issuance', 1,
     'issuance.job', 1, '{}', 'job', 'issuance', NULL),
    ('00000000-0000-7000-8000-000000000004', 'case', '00000000-0000-7000-8000-000000000004', 8, 3, 'refund', 1,
     'refund.job', 1, '{}', 'job', 'refund', NULL);
