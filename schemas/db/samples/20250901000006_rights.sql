-- Row security is forced on the owner too: what follows passes its policy.
INSERT INTO cases (id, service, flow_version, receipt, request_source, request_id, request_sha256, iin_hash, region,
                   language, filed_at, how, stage, visit, visits, journal_number, journal_head, key_id)
VALUES ('00000000-0000-7000-8000-000000000005', 'id-card-renewal', 1, 'SAMPLE-5', 'portal', 'request-5',
        decode(repeat('05', 32), 'hex'), decode(repeat('15', 32), 'hex'), 'KZ-10', 'kk', '2025-09-02 12:00+05',
        'moving', 'intake', 1, '{"intake": 1}', 1, decode(repeat('25', 32), 'hex'), 'k1');

INSERT INTO jobs (subject_id, subject, case_id, ticket, stage, visit, kind, version, body, routing_key)
VALUES ('00000000-0000-7000-8000-000000000005', 'case', '00000000-0000-7000-8000-000000000005', 1, 'intake', 1,
        'intake.job', 1, '{}', 'intake');
